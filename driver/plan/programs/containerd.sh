# The first part of the fast boot starts containerd, for the dockerd that the
# image's entrypoint, $0, starts. dockerd left alone starts containerd itself,
# finds no socket at its first look and sleeps a whole second before the second:
# most of what an inner daemon's boot takes. containerd boots beside the
# entrypoint's own work. $p is its process, or empty where anything is missing:
# then the entrypoint goes its own way.
# shellcheck shell=sh
# shellcheck disable=SC2034 # forgetfirst.sh and handover.sh read $await_containerd
p=
c=/etc/docker/gitlab-dind-executor-containerd.toml
s=/run/docker/containerd/containerd.sock
d=$(command -v dockerd)
if [ -n "$d" ] && command -v containerd >/dev/null && [ -f $c ]; then
	mkdir -p /run/docker/containerd /run/gitlab-dind-executor
	rm -f $s /run/docker/containerd/containerd.pid
	containerd --config $c >/dev/null 2>&1 &
	p=$!
	await_containerd="i=0; while [ ! -S $s ] && [ \$i -lt 300 ] && kill -0 $p 2>/dev/null; do sleep 0.01; i=\$((i+1)); done; [ -S $s ]"
fi
