package host

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gitlab-dind-executor/driver/plan"
)

// Network reads facts from /proc, /sys and /etc below root: routes, the MTU of the default
// route's interface, and name servers.
func Network(root string) plan.Facts {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil // a missing fact is left out
		}
		return b
	}
	var facts plan.Facts
	routes, way := parseRoutes(read("proc/net/route"))
	facts.Used = routes
	if way != "" {
		facts.MTU, _ = strconv.Atoi(strings.TrimSpace(string(read("sys/class/net/" + way + "/mtu"))))
	}
	facts.DNS = nameServers(read("etc/resolv.conf"))
	if len(facts.DNS) == 0 {
		// A container cannot use systemd-resolved's stub, but can use its upstream.
		facts.DNS = nameServers(read("run/systemd/resolve/resolv.conf"))
	}
	return facts
}

// HasBridge tells whether an interface is a bridge of this host. If an engine's own bridge has
// the name, then the engine has the network of this process, and its routes are here.
func HasBridge(root, name string) bool {
	if name == "" || name != filepath.Base(name) {
		return false
	}
	_, err := os.Stat(filepath.Join(root, "sys/class/net", name, "bridge"))
	return err == nil
}

// parseRoutes reads /proc/net/route: all destinations except the default, and the interface of
// the default route.
func parseRoutes(table []byte) (routes []netip.Prefix, way string) {
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 {
			continue
		}
		dest, err1 := hexAddr(f[1])
		mask, err2 := hexAddr(f[7])
		if err1 != nil || err2 != nil {
			continue // the header
		}
		bits := 0
		for m := binary.BigEndian.Uint32(mask[:]); m&(1<<31) != 0; m <<= 1 {
			bits++
		}
		// A VPN adds two halves over the default route rather than replace the route.
		if bits <= 1 {
			if way == "" {
				way = f[0]
			}
			continue
		}
		routes = append(routes, netip.PrefixFrom(netip.AddrFrom4(dest), bits).Masked())
	}
	return Distinct(routes), way
}

// hexAddr reads an address in the kernel's form: hex, little endian.
func hexAddr(s string) (addr [4]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return addr, fmt.Errorf("no address: %q", s)
	}
	return [4]byte{b[3], b[2], b[1], b[0]}, nil
}

// nameServers reads the servers of a resolv.conf that a container can reach. A loopback address
// would be the container's own.
func nameServers(conf []byte) []netip.Addr {
	var servers []netip.Addr
	lines := bufio.NewScanner(bytes.NewReader(conf))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil && !a.IsLoopback() && !a.IsUnspecified() && a.Zone() == "" {
			servers = append(servers, a)
		}
	}
	return servers
}

// Distinct are the prefixes of a list, each once.
func Distinct(list []netip.Prefix) []netip.Prefix {
	seen := map[netip.Prefix]bool{}
	var out []netip.Prefix
	for _, p := range list {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}
