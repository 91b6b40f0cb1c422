# gvisor comes before the entrypoint in a sidecar with a kernel of its own. Without
# that kernel the rights of this container would be no boundary, so the boot ends.
# The daemon leaves the firewall alone there: gVisor has no nftables, and few targets
# of iptables. These rules give packets of inner containers the sidecar's address,
# and bring those that are for this address to the daemon's bridge. A relay answers
# questions for names, since Docker's own resolver is out of reach.
# shellcheck shell=sh
case $(uname -r) in *gvisor*) k=1 ;; *) read -r k </proc/version ;; esac
case $k in
1 | *"Jan 10 15:06:54 PST 2016"*) ;;
*)
	echo "gitlab-dind-executor: the runtime of this sidecar is not gVisor" >&2
	exit 1
	;;
esac
# own prints the address of a family, $1, in the sandbox.
own() { ip -o "-$1" addr show dev eth0 | sed -n '/global/s,.* inet6* \([0-9a-f.:]*\)/.*,\1,p' | head -n 1; }
# nat adds rules with the program $1 for an address, $2. From the ranges behind $3 that
# address leads to $3. gVisor takes "! -i eth0" for "-i eth0".
nat() {
	t=$(command -v "$1-legacy" || command -v "$1") || return 0
	[ -n "$2" ] || return 0
	a=$2 b=$3
	shift 2
	for p in tcp udp; do
		"$t" -t nat -A POSTROUTING -o eth0 -p $p -j SNAT --to-source "$a" || return 1
		for r in "$@"; do
			[ "$r" = "$b" ] || "$t" -t nat -A PREROUTING -s "$r" -d "$a" -p $p -j DNAT --to-destination "$b" || return 1
		done
	done
}
# shellcheck disable=SC2086 # an address and ranges
if ! nat iptables "$(own 4)" $GITLAB_DIND_EXECUTOR_BRIDGE || ! nat ip6tables "$(own 6)"; then
	echo "gitlab-dind-executor: the rules for packets of inner containers are refused" >&2
	exit 1
fi
r=$GITLAB_DIND_EXECUTOR_RELAY
unset GITLAB_DIND_EXECUTOR_RELAY GITLAB_DIND_EXECUTOR_BRIDGE
if [ -n "$r" ]; then
	r=$(sed "s/^nameserver .*/nameserver $r/" /etc/resolv.conf)
	printf '%s\n' "$r" >/etc/resolv.conf
fi
