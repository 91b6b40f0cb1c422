# placebuildx comes before a script of the job. Where the image has buildx it puts the
# program of buildx.sh before that in docker's search for plugins: into a directory of
# the system or, for who may not write there, of the user. Nothing is said of it, and
# nothing in the sources is touched.
# shellcheck shell=sh
# shellcheck disable=SC2154 # what comes before sets $wrapper
if [ -n "${DOCKER_TLS_VERIFY-}" ]; then
	(
		# marked tells whether a file is that program.
		marked() {
			mark=
			{ read -r _ && read -r mark; } <"$1"
			case $mark in *gitlab-dind-executor) return 0 ;; esac
			return 1
		}
		plugin=docker/cli-plugins/docker-buildx first=/usr/local/lib
		own=${DOCKER_CONFIG-}
		[ -n "$own" ] || own=${HOME:+$HOME/.docker}
		own=$own/cli-plugins/docker-buildx
		case $own in "${CI_PROJECT_DIR:-/builds}"/* | [!/]* | /cli-plugins/*) own= ;; esac
		if [ -n "$own" ] && [ -e "$own" ]; then
			marked "$own" || exit
			rm -f "$own" # where HOME outlives jobs it may be of another image
		fi
		for dir in "$first" /usr/local/libexec /usr/lib /usr/libexec; do
			real=$dir/$plugin
			if [ -f "$real" ] && [ -x "$real" ]; then break; fi
			real=
		done
		if [ -z "$real" ] || [ ! -x /bin/sh ]; then exit; fi
		if [ "$real" = "$first/$plugin" ]; then
			if marked "$real"; then exit; fi
		else
			set -- "$first/$plugin"
		fi
		umask 022
		[ -z "$own" ] || set -- "$@" "$own"
		for path; do
			mkdir -p "${path%/*}" || continue
			if printf '#!/bin/sh\nreal=%s # gitlab-dind-executor\n%s' "$real" "$wrapper" >"$path" && chmod 755 "$path"; then exit; fi
			rm -f "$path"
		done
	) </dev/null >/dev/null 2>&1 || :
fi
