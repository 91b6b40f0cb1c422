package plan

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// RelayAddress and SidecarAddress are the addresses of relay and sidecar in a sandbox's
// IPv4 subnet. They are the last two, because the engine gives out addresses from the first
// on.
func RelayAddress(subnet netip.Prefix) netip.Addr   { return fromLast(subnet, 1) }
func SidecarAddress(subnet netip.Prefix) netip.Addr { return fromLast(subnet, 2) }

// fromLast returns the n-th address before a subnet's broadcast address.
func fromLast(subnet netip.Prefix, n uint32) netip.Addr {
	first := subnet.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(first[:]) | (1<<(32-subnet.Bits()) - 1)
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], last-n)
	return netip.AddrFrom4(address)
}

// smallSubnet is the prefix length at which the engine's own choice may reach the last
// addresses: a /29 has six.
const smallSubnet = 29

// At returns the sidecar with its addresses in a sandbox's IPv4 subnet. So the certificate
// can contain them before the sidecar exists.
func (s Sidecar) At(subnet netip.Prefix, n Network) Sidecar {
	if !subnet.IsValid() || subnet.Bits() >= smallSubnet && !s.Relay {
		return s
	}
	s.IP = SidecarAddress(subnet)
	if n.Pool6.IsValid() {
		at := n.Subnet6(subnet).Addr().As16()
		at[14], at[15] = 0xff, 0xfd
		s.IP6 = netip.AddrFrom16(at)
	}
	return s
}

// Addresses returns the daemon's addresses known before its start: in the sandbox, for
// containers inside, and from the pipeline.
func (s Sidecar) Addresses() []netip.Addr {
	list := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	for _, own := range []netip.Addr{s.IP, s.IP6} {
		if own.IsValid() {
			list = append(list, own)
		}
	}
	if bip, err := netip.ParsePrefix(fmt.Sprint(s.DaemonConfig["bip"])); err == nil {
		list = append(list, bip.Addr())
	}
	if s.TLS != nil {
		list = append(list, s.TLS.Addresses...)
	}
	return list
}

// maxAlternatives is the largest number of names and addresses from a pipeline in a
// certificate.
const maxAlternatives = 64

// alternatives parses DOCKER_TLS_SAN as the entrypoint of dind images does: DNS:NAME and
// IP:ADDRESS, separated by commas or spaces. Other kinds that openssl accepts do not help a
// daemon, and are left out.
func alternatives(text string) (names []string, addresses []netip.Addr) {
	for _, entry := range Words(text) {
		kind, value, _ := strings.Cut(entry, ":")
		addr, err := netip.ParseAddr(value)
		switch {
		case len(names)+len(addresses) == maxAlternatives:
			return names, addresses
		case kind == "IP" && err == nil:
			addresses = append(addresses, addr.WithZone(""))
		case kind == "DNS" && validAlias.MatchString(strings.TrimPrefix(value, "*.")):
			names = append(names, value)
		}
	}
	return names, addresses
}
