#!/bin/sh
# Behaves as the official image's entrypoint does: flags and a configuration
# file are for redis-server, which runs as its own user and, unlike Debian's
# default, answers to other hosts without a password.
set -e

case ${1:-} in
-* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" = redis-server ]; then
	shift
	case " $* " in
	*' --protected-mode '*) ;;
	*) set -- "$@" --protected-mode no ;;
	esac
	set -- redis-server "$@"
	if [ "$(id -u)" = 0 ]; then
		find . \! -user redis -exec chown redis '{}' +
		set -- setpriv --reuid=redis --regid=redis --clear-groups "$@"
	fi
fi
exec "$@"
