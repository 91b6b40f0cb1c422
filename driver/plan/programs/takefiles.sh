# takefiles comes first in a sidecar that gets its files, an archive, on its
# stdin. An engine takes longer to copy files into a container than to start one.
# One that takes the place of another has them.
# shellcheck shell=sh
[ -e /etc/gitlab-dind-executor-files ] || tar -xf - -C / || {
	echo "the files of this docker daemon did not arrive" >&2
	exit 1
}
exec </dev/null
