# forget takes the names from the images that are in containerd, which listens at
# the socket $0: each becomes one without a name, as dockerd calls those. Those of
# a seed keep theirs: $1 holds them, with their digests, between bars. What is left
# of containers goes too, with their leases, which hold their layers; those of the
# build cache have other names.
#
# An image keeps its labels. One of them names its parent, and by that the classic
# builder finds the step. From containerd 1.7 on ctr copies them with --local alone.
# shellcheck shell=sh
# shellcheck disable=SC2086 # $ctr is a command with its flags, $local one flag or none; $all and $named are lists; set -f keeps stars as they are
set -f
local=
case $(ctr images tag --help) in *--local*) local=--local ;; esac
spaces=$(ctr -a "$0" namespaces ls -q) && [ -n "$spaces" ] || exit 1
for n in $spaces; do
	ctr="ctr -a $0 -n $n"
	all=$($ctr containers ls -q) || exit 1
	[ -z "$all" ] || $ctr containers rm $all || exit 1
	all=$($ctr leases ls -q) || exit 1
	for l in $all; do
		case $l in *[!0-9a-f]*) continue ;; esac
		[ ${#l} != 64 ] || $ctr leases rm "$l" || exit 1
	done
	all=$($ctr images ls) || exit 1
	named=$(echo "$all" | {
		read -r _
		done=
		while read -r name _ digest _; do
			case $name in moby-dangling@*) continue ;; esac
			case $1 in *"|$name $digest|"*) continue ;; esac
			case $done in
			*" $digest "*) ;;
			*) $ctr images tag $local --force "$name" "moby-dangling@$digest" >/dev/null || exit 1 ;;
			esac
			done="$done $digest "
			echo "$name"
		done
	}) || exit 1
	[ -z "$named" ] || $ctr images rm $named || exit 1
	all=$($ctr images ls -q) || exit 1
	for i in $all; do
		case $i in moby-dangling@*) continue ;; esac
		case $1 in *"|$i "*) ;; *) exit 1 ;; esac
	done
done
