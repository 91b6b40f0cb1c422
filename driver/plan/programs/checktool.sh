# checktool says what is wrong with the Runner's program, if anything: $1, $2 and
# $3 are the fields of a ToolCheck. A file remembers that it was done. It is part
# of the stage's own command, since another would take as long again.
# shellcheck shell=sh
f=${TMPDIR:-/tmp}/.gitlab-dind-executor-checked
if [ ! -e "$f" ]; then
	touch "$f" 2>/dev/null
	if v=$(gitlab-runner --version 2>/dev/null </dev/null); then
		v=$(echo "$v" | sed -n 's/^Version: *//p')
		# shellcheck disable=SC2059 # $3 has a %s for the version
		case $v in "$1".*) ;; [0-9]*) [ -z "$1" ] || printf "$3\n" "$v" ;; esac
	else
		printf '%s\n' "$2"
	fi
fi
