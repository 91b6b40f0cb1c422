#!/bin/bash
# Behaves as the official image's entrypoint does: it makes the database of
# POSTGRES_DB for POSTGRES_USER on the first start, wants a POSTGRES_PASSWORD,
# runs what lies in /docker-entrypoint-initdb.d, and only then listens on TCP.
set -euo pipefail
shopt -s nullglob

refuse_without_password() {
	if [[ ! $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
		cat >&2 <<-'END'
			Error: Database is uninitialized and superuser password is not specified.
			       You must specify POSTGRES_PASSWORD to a non-empty value for the
			       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".
		END
		exit 1
	fi
}

initialise() {
	local script
	initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
	printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
	export PGUSER=$POSTGRES_USER
	if [[ $POSTGRES_DB != postgres ]]; then
		psql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
	fi
	for script in /docker-entrypoint-initdb.d/*; do
		case $script in
		*.sh) "$script" ;;
		*.sql) psql --set ON_ERROR_STOP=1 --dbname "$POSTGRES_DB" --file "$script" ;;
		esac
	done
	unset PGUSER
	pg_ctl -D "$PGDATA" -m fast -w stop
	printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

if [[ ${1:-} == -* ]]; then set -- postgres "$@"; fi
if [[ ${1:-} == postgres ]]; then
	if ((EUID == 0)); then
		mkdir -p "$PGDATA"
		chown -R postgres "$PGDATA" /run/postgresql
		exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
	fi
	chmod 700 "$PGDATA"
	if [[ ! -s $PGDATA/PG_VERSION ]]; then
		: "${POSTGRES_PASSWORD:=}" "${POSTGRES_HOST_AUTH_METHOD:=}" "${POSTGRES_USER:=postgres}"
		: "${POSTGRES_DB:=$POSTGRES_USER}"
		refuse_without_password
		initialise
	fi
fi
exec "$@"
