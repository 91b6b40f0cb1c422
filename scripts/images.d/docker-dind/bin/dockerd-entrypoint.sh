#!/bin/sh
# Starts dockerd as the official docker:dind image does: certificates, options,
# iptables, then the dind wrapper with an init. Every fork here delays each job,
# so builtins do what builtins can.
set -eu

# Images from before February 2023 make a new server certificate even when a
# complete one is there without its CA's key.
keep_server_certificate=yes

nonempty() {
	for file; do
		[ -s "$file" ] || return 1
	done
}

# subject_alternative_names lists what a client may call this daemon.
subject_alternative_names() {
	{
		ip -oneline address | while read -r _ _ _ address _; do
			echo "IP:${address%/*}"
		done
		for name in docker localhost "$(hostname)" "$(hostname -s)" "$(hostname -f)"; do
			[ -z "$name" ] || echo "DNS:$name"
		done 2>/dev/null
		[ -z "${DOCKER_TLS_SAN:-}" ] || echo "$DOCKER_TLS_SAN"
	} | sort -u | paste -sd, -
}

# issue makes the key and the certificate of one side, signed by the CA.
issue() {
	side=$1 usage=$2 names=$3
	dir=$certs/$side
	mkdir -p "$dir"
	[ -s "$dir/key.pem" ] || openssl genrsa -out "$dir/key.pem" 4096
	openssl req -new -key "$dir/key.pem" -subj "/CN=docker:dind $side" -out "$dir/csr.pem"
	{
		echo "[ extensions ]"
		echo "extendedKeyUsage = $usage"
		[ -z "$names" ] || echo "subjectAltName = $names"
	} >"$dir/openssl.cnf"
	openssl x509 -req -days 825 -in "$dir/csr.pem" -out "$dir/cert.pem" \
		-CA "$certs/ca/cert.pem" -CAkey "$certs/ca/key.pem" -CAcreateserial \
		-extfile "$dir/openssl.cnf" -extensions extensions
	cp "$certs/ca/cert.pem" "$dir/ca.pem"
	openssl verify -CAfile "$dir/ca.pem" "$dir/cert.pem"
}

certificates() {
	certs=$1
	if [ "$keep_server_certificate" = yes ] && [ ! -s "$certs/ca/key.pem" ] &&
		nonempty "$certs/server/ca.pem" "$certs/server/cert.pem" "$certs/server/key.pem"; then
		openssl verify -CAfile "$certs/server/ca.pem" "$certs/server/cert.pem"
		return
	fi
	# A CA certificate without its key is somebody else's CA: nothing can be issued.
	if [ -s "$certs/ca/cert.pem" ] && [ ! -s "$certs/ca/key.pem" ]; then
		return
	fi
	mkdir -p "$certs/ca"
	[ -s "$certs/ca/key.pem" ] || openssl genrsa -out "$certs/ca/key.pem" 4096
	openssl req -new -x509 -days 825 -key "$certs/ca/key.pem" -out "$certs/ca/cert.pem" \
		-subj "/CN=docker:dind CA" -addext keyUsage=critical,digitalSignature,keyCertSign
	issue server serverAuth "$(subject_alternative_names)"
	issue client clientAuth ""
	# The client's key is for containers whose users are not known here.
	chmod 0644 "$certs/client/key.pem"
}

# load_module asks the kernel for a module: naming an unknown network device
# makes the kernel load it, where modprobe has no access to the modules.
load_module() {
	ip link show "$1" >/dev/null 2>&1 || modprobe "$1" 2>/dev/null || :
}

# legacy_in_use tells whether somebody has rules in the old kernel tables; the
# two kinds must not be mixed.
legacy_in_use() {
	for file in /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/arp_tables_names; do
		{ read -r table <"$file"; } 2>/dev/null && [ -n "$table" ] && return
	done
	return 1
}

choose_iptables() {
	legacy=
	if [ -n "${DOCKER_IPTABLES_LEGACY+set}" ]; then
		legacy=$DOCKER_IPTABLES_LEGACY
		if [ -n "$legacy" ]; then
			load_module ip_tables
			load_module ip6_tables
		else
			load_module nf_tables
		fi
	elif legacy_in_use; then
		legacy=1
	elif ! iptables -nL >/dev/null 2>&1; then
		load_module nf_tables
		if ! iptables -nL >/dev/null 2>&1; then
			load_module ip_tables
			load_module ip6_tables
			if iptables-legacy -nL >/dev/null 2>&1; then legacy=1; fi
		fi
	fi
	# dockerd finds the programs through PATH.
	if [ -n "$legacy" ]; then
		farm=/usr/local/sbin/.iptables-legacy
		if [ ! -d "$farm" ]; then
			mkdir -p "$farm"
			for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
				ln -s "/usr/sbin/${name%%-*}-legacy${name#"${name%%-*}"}" "$farm/$name"
			done
		fi
		export PATH="$farm:$PATH"
	fi
	iptables --version
}

case ${1:-} in
'' | -*)
	socket=unix:///var/run/docker.sock
	if [ "$(id -u)" != 0 ]; then socket=unix://${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/docker.sock; fi
	case ${DOCKER_HOST:-} in unix://*) socket=$DOCKER_HOST ;; esac
	if [ -n "${DOCKER_TLS_CERTDIR:-}" ]; then
		certificates "$DOCKER_TLS_CERTDIR"
		set -- dockerd --host="$socket" --host=tcp://0.0.0.0:2376 --tlsverify \
			--tlscacert "$DOCKER_TLS_CERTDIR/server/ca.pem" \
			--tlscert "$DOCKER_TLS_CERTDIR/server/cert.pem" \
			--tlskey "$DOCKER_TLS_CERTDIR/server/key.pem" \
			"$@"
		publish=2376
	else
		set -- dockerd --host="$socket" --host=tcp://0.0.0.0:2375 "$@"
		publish=2375
	fi
	;;
esac

if [ "$1" != dockerd ]; then
	exec docker-entrypoint.sh "$@"
fi

# without_root becomes rootlesskit, which becomes root in a user namespace and
# starts the command there. Ports reach in only where it publishes them.
without_root() {
	command -v rootlesskit >/dev/null || {
		echo >&2 "error: rootless dockerd needs rootlesskit, which this image lacks"
		exit 1
	}
	export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
	mkdir -p "$XDG_RUNTIME_DIR" "$HOME/.local/share/docker"
	# shellcheck disable=SC2086 # several words
	exec rootlesskit --net="${DOCKERD_ROOTLESS_ROOTLESSKIT_NET:-slirp4netns}" \
		--mtu="${DOCKERD_ROOTLESS_ROOTLESSKIT_MTU:-1500}" --disable-host-loopback \
		--port-driver=builtin --copy-up=/etc --copy-up=/run \
		${DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS:-} ${publish:+-p "0.0.0.0:$publish:$publish/tcp"} \
		docker-init -- "$@"
}

# A daemon that was killed leaves its pid file, and the next would not start.
for file in /run/docker*.pid /run/*/docker*.pid /run/*/*/docker*.pid; do
	if [ -e "$file" ]; then rm -f "$file"; fi
done
choose_iptables
if [ "$(id -u)" != 0 ]; then without_root "$@"; fi
exec dind docker-init -- "$@"
