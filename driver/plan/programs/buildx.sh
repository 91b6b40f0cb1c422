# buildx stands before an image's docker-buildx, $real, in docker's search for plugins.
# `buildx create` refuses TLS that comes from variables, as that of a job's daemon does,
# and takes it from a docker context. So when buildx asks for a context, it gets one of
# this DOCKER_HOST. The variables stay, and whatever else is asked for is buildx's own.
# shellcheck shell=sh
# shellcheck disable=SC2154 # the first line of the file sets $real
case "${1-} ${2-}" in
"buildx create" | "create "*) ;;
*) exec "$real" "$@" ;;
esac
case "${DOCKER_TLS_VERIFY-}${DOCKER_TLS-} ${DOCKER_HOST-}" in
?*" tcp://"*) ;;
*) exec "$real" "$@" ;;
esac
{ said=$("$real" "$@" 2>&1 >&3); } 3>&1
code=$?
case "$code $said" in
"0 "*) ;;
*"TLS data loaded from environment"*)
	name=job-$(printf %s "${DOCKER_HOST#tcp://}" | tr -c a-zA-Z0-9 -)
	docker=${DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND:-docker}
	if "$docker" context inspect "$name" >/dev/null 2>&1 || why=$("$docker" context create "$name" 2>&1 >/dev/null); then
		exec "$real" "$@" "$name"
	fi
	said=$said'
docker context create '$name': '$why
	;;
esac
[ -z "$said" ] || printf '%s\n' "$said" >&2
exit "$code"
