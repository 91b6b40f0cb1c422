# askmirror finds out in a second at most whether the mirror answers where the
# sidecar is, and only then has dockerd told of it: that would wait for 15 s and
# more, at each pull, for one that is silent or behind a firewall. $m is its
# process, or empty.
# shellcheck shell=sh
u=$GITLAB_DIND_EXECUTOR_MIRROR m=
if [ -n "$u" ] && [ -f /etc/docker/gitlab-dind-executor-mirrored.json ]; then
	unset GITLAB_DIND_EXECUTOR_MIRROR
	{
		if command -v curl >/dev/null; then
			curl -sf -m 1 --noproxy '*' -o /dev/null "$u/v2/"
		else
			http_proxy='' HTTP_PROXY='' wget -q -T 1 -O /dev/null "$u/v2/"
		fi && mv -f /etc/docker/gitlab-dind-executor-mirrored.json /etc/docker/daemon.json ||
			echo "gitlab-dind-executor: the registry mirror $u is not used, since it does not answer from here"
	} >&2 </dev/null &
	# shellcheck disable=SC2034 # bootlast.sh waits for it
	m=$!
fi
