# The second part of the fast boot, where layers are cached: it waits for
# containerd when names are to be forgotten in it. One that cannot is ended, and
# with it the fast way.
# shellcheck shell=sh
# shellcheck disable=SC2154 # $p, $s and $await_containerd are of containerd.sh, $names and $seeded of findnames.sh
if [ -n "$names" ] && [ -n "$p" ]; then
	if eval "$await_containerd" && forget_names "$s" "$seeded"; then
		names=
	else
		kill "$p" 2>/dev/null
		wait "$p" 2>/dev/null
		p=
	fi
fi
