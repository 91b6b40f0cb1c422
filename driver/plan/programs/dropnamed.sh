# dropnamed: where names in containerd are still to be forgotten, and nobody
# could, its images go, and the build cache, which is void without them. They are
# removed at low priority while the daemon boots; without root only root of the
# daemon's user namespace can.
# shellcheck shell=sh
# shellcheck disable=SC2154 # $names is of findnames.sh
if [ -n "$names" ]; then
	# shellcheck disable=SC3028 # busybox has HOSTNAME; where it is empty, x serves
	g=$DATA/.gone-${HOSTNAME:-x}
	mkdir "$g" || exit 1
	for i in containerd buildkit; do
		[ ! -e "$DATA/$i" ] || mv "$DATA/$i" "$g/" || exit 1
	done
	root=
	[ "$(id -u)" = 0 ] || root=rootlesskit
	# shellcheck disable=SC2086 # an empty $root is no argument
	nice -n 19 $root rm -rf "$g" >/dev/null 2>&1 &
fi
