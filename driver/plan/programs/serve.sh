# serve gives the helper the Runner's program under the name that scripts call,
# since the official image has another one only, and then lets it run one script
# after the other as they come on its stdin: a process more in a container, by
# exec, takes the engine ten times as long. Each comes behind a line with its
# length in bytes and a token, which is said when the helper turns to it and, with
# its exit code, behind all that it printed; "-" is for one that could not be taken.
# in_shell, which becomes a shell for one script, is defined before.
# shellcheck shell=sh
command -v gitlab-runner >/dev/null || {
	mkdir -p /usr/local/bin && ln -sf "$(command -v gitlab-runner-helper)" /usr/local/bin/gitlab-runner
} 2>/dev/null
f=${TMPDIR:-/tmp}/.gitlab-dind-executor-script
command -v head >/dev/null && while read -r n t; do
	echo "$t"
	if (umask 077 && head -c "$n" >"$f"); then
		(
			exec <"$f"
			rm -f "$f"
			in_shell
		) 2>&1
		echo "$t $?"
	else
		echo "$t -"
	fi
done
exec tail -f /dev/null
