# The third part of the fast boot hands containerd over. What the entrypoint finds
# as dockerd waits for the socket, at most 3 s, and then becomes dockerd, with what
# the entrypoint has made of PATH: that may be where dockerd is to find iptables.
# shellcheck shell=sh
# shellcheck disable=SC2154 # $p, $s, $d and $await_containerd are of containerd.sh
if [ -n "$p" ]; then
	cat >/run/gitlab-dind-executor/dockerd <<END
#!/bin/sh
if $await_containerd; then exec $d --containerd=$s "\$@"; fi
kill $p 2>/dev/null
exec $d "\$@"
END
	chmod 755 /run/gitlab-dind-executor/dockerd
	PATH=/run/gitlab-dind-executor:$PATH
fi
