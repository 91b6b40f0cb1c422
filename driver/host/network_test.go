package host

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/driver/plan"
)

const routeHeader = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

func strs(list []netip.Prefix) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return out
}

func TestRoutesOfTheHost(t *testing.T) {
	for name, c := range map[string]struct {
		table  string
		routes []string
		way    string
	}{
		"nothing":    {"", nil, ""},
		"the header": {routeHeader, nil, ""},
		"a usual host": {
			routeHeader + "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
				"eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n" +
				"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
			[]string{"192.0.2.0/24", "172.17.0.0/16"},
			"eth0",
		},
		"a route to one host": {
			routeHeader + "eth0\tFEA9FEA9\t00000000\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", []string{"169.254.169.254/32"}, "",
		},
		"the same route twice": {
			routeHeader + strings.Repeat("eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n", 2), []string{"10.0.0.0/8"}, "",
		},
		"the first of two ways out": {
			routeHeader + "wg0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\neth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
			nil, "wg0",
		},
		"a VPN's two halves are a way out, no network": {
			routeHeader + "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\neth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
				"tun0\t00000080\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n",
			nil, "tun0",
		},
		"lines that are cut off or none": {"eth0\t0000\nx y z\neth0\tQQ\t0\t0\t0\t0\t0\tQQ\t0\t0\t0\n\n", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			routes, way := parseRoutes([]byte(c.table))
			if !slices.Equal(strs(routes), c.routes) || way != c.way {
				t.Errorf("got %q by %q, want %q by %q", strs(routes), way, c.routes, c.way)
			}
		})
	}
}

func TestNameServersThatAContainerCanReach(t *testing.T) {
	for name, c := range map[string]struct {
		conf string
		want []string
	}{
		"nothing":             {"", nil},
		"a usual host":        {"search example.com\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions edns0\n", []string{"192.0.2.53", "192.0.2.54"}},
		"a loopback is left":  {"nameserver 127.0.0.1\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.53\n", []string{"192.0.2.53"}},
		"a zone is left":      {"nameserver fe80::1%eth0\nnameserver 2001:db8::53\n", []string{"2001:db8::53"}},
		"this host itself":    {"nameserver 0.0.0.0\n", nil},
		"comments, nonsense":  {"# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver\nnameserver dns.example.com\nnameservers 192.0.2.3\n", nil},
		"spaces of all kinds": {"  nameserver\t192.0.2.53   # the first\r\n", []string{"192.0.2.53"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, a := range nameServers([]byte(c.conf)) {
				got = append(got, a.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestFactsOfAHost(t *testing.T) {
	route := routeHeader + "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
	network := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	upstream := []netip.Addr{netip.MustParseAddr("192.0.2.53")}
	for name, c := range map[string]struct {
		files map[string]string
		want  plan.Facts
	}{
		"nothing is known": {nil, plan.Facts{}},
		"a usual host": {
			map[string]string{"proc/net/route": route, "sys/class/net/eth0/mtu": "1450\n", "etc/resolv.conf": "nameserver 192.0.2.53\n"},
			plan.Facts{Used: network, MTU: 1450, DNS: upstream},
		},
		"systemd's stub gives way to its upstream": {
			map[string]string{"etc/resolv.conf": "nameserver 127.0.0.53\n", "run/systemd/resolve/resolv.conf": "nameserver 192.0.2.53\n"},
			plan.Facts{DNS: upstream},
		},
		"the upstream is not asked for without need": {
			map[string]string{"etc/resolv.conf": "nameserver 192.0.2.53\n", "run/systemd/resolve/resolv.conf": "nameserver 192.0.2.99\n"},
			plan.Facts{DNS: upstream},
		},
		"an MTU that is none": {
			map[string]string{"proc/net/route": route, "sys/class/net/eth0/mtu": "much"}, plan.Facts{Used: network},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range c.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(c.want, Network(root), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
				cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
