# give makes $0, as "1000:1000", the owner of the directories that are its arguments and
# of all in them. It follows no link, neither in them nor on the way to them, for what
# runs beside can write there. What is not there is passed over.
# shellcheck shell=sh
for path; do
	[ -e "$path" ] || continue
	above=${path%/*}
	if ! cd "${above:-/}" || [ "$(pwd -P)" != "${above:-/}" ]; then
		echo "the way to $path leads through a link"
		exit 1
	fi
	chown -R -P -h -- "$0" "./${path##*/}" || exit 1
done
