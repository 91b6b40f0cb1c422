#!/bin/sh
# Points the docker client at its daemon as the official docker:cli image does,
# then becomes the command given.
set -eu

# `docker run docker:cli ps` means `docker ps`.
case ${1:-} in
-*) set -- docker "$@" ;;
*) if docker help "${1:-}" >/dev/null 2>&1; then set -- docker "$@"; fi ;;
esac

certificates=${DOCKER_TLS_CERTDIR:+$DOCKER_TLS_CERTDIR/client}
for file in ca cert key; do
	if [ ! -s "$certificates/$file.pem" ]; then certificates=; fi
done

if [ -z "${DOCKER_HOST:-}" ]; then
	: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
	if [ -S /var/run/docker.sock ]; then
		DOCKER_HOST=unix:///var/run/docker.sock
	elif [ -S "$XDG_RUNTIME_DIR/docker.sock" ]; then
		DOCKER_HOST=unix://$XDG_RUNTIME_DIR/docker.sock
	elif [ -n "$certificates${DOCKER_TLS_VERIFY:-}" ]; then
		DOCKER_HOST=tcp://docker:2376
	else
		DOCKER_HOST=tcp://docker:2375
	fi
	export DOCKER_HOST
fi

case $DOCKER_HOST in
tcp:*)
	if [ -n "$certificates" ] && [ -z "${DOCKER_TLS_VERIFY:-}${DOCKER_CERT_PATH:-}" ]; then
		export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$certificates"
	fi
	;;
esac

if [ "${1:-}" = dockerd ]; then
	echo >&2 "This image holds the client only; a daemon is in the image's dind variant."
	sleep 3
fi

exec "$@"
