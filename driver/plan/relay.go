package plan

import (
	"encoding/binary"
	"net/netip"
)

const (
	// ProgramPath is where this program lies in an image of its own.
	ProgramPath = "/gitlab-dind-executor"
	// RelayCommand is the hidden command of a relay. Its arguments are where it
	// listens, and whom it asks.
	RelayCommand = "relay-names"
	// RelayListens and DockerResolver are those arguments.
	RelayListens   = "0.0.0.0:53"
	DockerResolver = "127.0.0.11:53"
	// RelayVariable is the variable by which a sidecar learns of its relay.
	RelayVariable = "GITLAB_DIND_EXECUTOR_RELAY"
	// bridgeVariable is the variable by which it learns of the address of its daemon's
	// bridge.
	bridgeVariable = "GITLAB_DIND_EXECUTOR_BRIDGE"
)

// RelayAddress is the relay's in a sandbox's IPv4 subnet, and RelayedAddress that of
// the sidecar which it is for. They are the last two: the engine gives addresses from
// the first on.
func RelayAddress(subnet netip.Prefix) netip.Addr   { return fromLast(subnet, 1) }
func RelayedAddress(subnet netip.Prefix) netip.Addr { return fromLast(subnet, 2) }

// fromLast is the n-th address before the one for all of a subnet.
func fromLast(subnet netip.Prefix, n uint32) netip.Addr {
	first := subnet.Masked().Addr().As4()
	last := binary.BigEndian.Uint32(first[:]) | (1<<(32-subnet.Bits()) - 1)
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], last-n)
	return netip.AddrFrom4(address)
}
