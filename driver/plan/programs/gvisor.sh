# gvisor comes before the entrypoint in a sidecar with a kernel of its own. Without
# that kernel the rights of this container would be no boundary, so the boot ends.
# The daemon leaves the firewall alone there: gVisor has no nftables and few targets
# of iptables. So this gives packets of inner containers the sidecar's address. A
# relay answers questions for names, since Docker's own resolver is out of reach.
# shellcheck shell=sh
case $(uname -r) in *gvisor*) g=1 ;; *) g= ;; esac
[ -n "$g" ] || read -r g </proc/version
case $g in
1 | *"Jan 10 15:06:54 PST 2016"*) ;;
*)
	echo "gitlab-dind-executor: the runtime of this sidecar is not gVisor" >&2
	exit 1
	;;
esac
# snat is the program $1; $2 is its family, and $3 finds its address.
snat() {
	t=$(command -v "$1-legacy" || command -v "$1") || return 0
	a=$(ip -o "$2" addr show dev eth0 | sed -n "s,.* $3 \([0-9a-f.:]*\)/.*global.*,\1,p" | head -n 1)
	[ -n "$a" ] || return 0
	for p in tcp udp; do
		"$t" -t nat -A POSTROUTING -o eth0 -p $p -j SNAT --to-source "$a" || return 1
	done
}
snat iptables -4 inet && snat ip6tables -6 inet6 || {
	echo "gitlab-dind-executor: inner containers reach nobody: see docs/gvisor.md" >&2
	exit 1
}
if [ -n "$GITLAB_DIND_EXECUTOR_RELAY" ]; then
	r=$(sed "s/^nameserver .*/nameserver $GITLAB_DIND_EXECUTOR_RELAY/" /etc/resolv.conf)
	printf '%s\n' "$r" >/etc/resolv.conf
	unset GITLAB_DIND_EXECUTOR_RELAY
fi
