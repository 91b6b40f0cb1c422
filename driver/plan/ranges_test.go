package plan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestRangesOfTheInnerDaemon(t *testing.T) {
	for name, c := range map[string]struct {
		pools, used []string
		bip, pool   string
		size        int
	}{
		"the first pool when nothing is in its way": {
			[]string{"10.232.0.0/16", "172.29.0.0/16"}, nil, "10.232.0.1/20", "10.232.128.0/17", 24,
		},
		"the next one when a network overlaps": {
			[]string{"10.232.0.0/16", "172.29.0.0/16"}, []string{"10.232.7.0/24"}, "172.29.0.1/20", "172.29.128.0/17", 24,
		},
		"the next one when a route of the host contains it": {
			[]string{"10.232.0.0/16", "192.168.128.0/17"}, []string{"10.0.0.0/8"}, "192.168.128.1/20", "192.168.192.0/18", 24,
		},
		"neighbours do not overlap": {
			[]string{"10.232.0.0/16"}, []string{"10.231.0.0/16", "10.233.0.0/16"}, "10.232.0.1/20", "10.232.128.0/17", 24,
		},
		"a single address is in the way": {
			[]string{"10.232.0.0/16", "10.233.0.0/16"}, []string{"10.232.255.255/32"}, "10.233.0.1/20", "10.233.128.0/17", 24,
		},
		"a large pool still has a small bridge": {
			[]string{"10.0.0.0/8"}, nil, "10.0.0.1/20", "10.128.0.0/9", 24,
		},
		"the smallest pool that the settings allow": {
			[]string{"10.232.0.0/22"}, nil, "10.232.0.1/24", "10.232.2.0/23", 24,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := innerRanges(config.Network{InnerPools: prefixes(c.pools...)}, prefixes(c.used...))
			if err != nil {
				t.Fatal(err)
			}
			if got.bip.String() != c.bip || got.pool.String() != c.pool || got.size != c.size {
				t.Errorf("got bip %s, pool %s of /%d, want %s, %s of /%d", got.bip, got.pool, got.size, c.bip, c.pool, c.size)
			}
			if got.bip.Overlaps(got.pool) {
				t.Error("the bridge lies in the pool")
			}
		})
	}
}

func TestNoRangeForTheInnerDaemonIsAFaultOfTheSystem(t *testing.T) {
	s, job, facts := example()
	facts.Used = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
	_, err := Build(s, job, facts)
	if err == nil || fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "network.inner_pools") {
		t.Errorf("error %v, of job %t, hint %q", err, fault.IsOfJob(err), fault.HintOf(err))
	}
}

func TestSubnetsOfAPool(t *testing.T) {
	n := Network{Pool: netip.MustParsePrefix("10.231.0.0/24"), SubnetBits: 26}
	all := prefixes("10.231.0.0/26", "10.231.0.64/26", "10.231.0.128/26", "10.231.0.192/26")
	sorted := func(list []netip.Prefix) []netip.Prefix {
		list = slices.Clone(list)
		slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
		return list
	}
	same := func(t *testing.T, got, want []netip.Prefix) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	t.Run("each once, wherever it begins", func(t *testing.T) {
		for _, sandbox := range []string{"", "a", "b", "c", "d", "0123456789ab", "ffffffffffff"} {
			same(t, sorted(n.Subnets(sandbox, 64)), all)
		}
	})
	t.Run("in a round from its beginning", func(t *testing.T) {
		got := n.Subnets("b", 64)
		first := slices.Index(all, got[0])
		same(t, got, append(slices.Clone(all[first:]), all[:first]...))
	})
	t.Run("sandboxes begin at different places", func(t *testing.T) {
		begins := map[netip.Prefix]bool{}
		for _, sandbox := range []string{"a", "b", "c", "d"} {
			begins[n.Subnets(sandbox, 1)[0]] = true
		}
		if len(begins) != 4 {
			t.Errorf("four neighbours begin at %d places", len(begins))
		}
	})
	t.Run("the same sandbox begins at the same place", func(t *testing.T) {
		same(t, n.Subnets("0123456789ab", 64), n.Subnets("0123456789ab", 64))
	})
	t.Run("those in use are left out", func(t *testing.T) {
		n := n
		n.Avoid = prefixes("10.231.0.64/28", "10.231.0.128/25", "192.0.2.0/24")
		same(t, n.Subnets("x", 64), prefixes("10.231.0.0/26"))
	})
	t.Run("none when a route contains the pool", func(t *testing.T) {
		n := n
		n.Avoid = prefixes("10.0.0.0/8")
		same(t, n.Subnets("x", 64), nil)
	})
	t.Run("no more than asked for", func(t *testing.T) {
		if got := n.Subnets("x", 3); len(got) != 3 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a pool that is one subnet", func(t *testing.T) {
		same(t, Network{Pool: all[1], SubnetBits: 26}.Subnets("x", 64), all[1:2])
	})
	t.Run("the last one of a large pool", func(t *testing.T) {
		if got := Subnet(netip.MustParsePrefix("10.231.0.0/16"), 26, 1023).String(); got != "10.231.255.192/26" {
			t.Errorf("got %s", got)
		}
	})
}

func TestTheMTUOfASandbox(t *testing.T) {
	for name, c := range map[string]struct{ settings, host, want int }{
		"the host's":              {0, 1450, 1450},
		"the settings' wins":      {1400, 1450, 1400},
		"even if it is larger":    {9000, 1450, 9000},
		"1500 if nothing is said": {0, 0, 1500},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Network.MTU, facts.MTU = c.settings, c.host
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			if p.Network.MTU != c.want || p.Sidecar.DaemonConfig["mtu"] != c.want {
				t.Errorf("network %d, daemon %v, want %d", p.Network.MTU, p.Sidecar.DaemonConfig["mtu"], c.want)
			}
		})
	}
}

func TestTheInnerDaemonAsksServersThatItsContainersCanReach(t *testing.T) {
	for name, c := range map[string]struct {
		settings, host []string
		want           any
	}{
		"the host's":             {nil, []string{"192.0.2.53", "192.0.2.54"}, []string{"192.0.2.53", "192.0.2.54"}},
		"the settings' win":      {[]string{"198.51.100.1"}, []string{"192.0.2.53"}, []string{"198.51.100.1"}},
		"none if none are known": {nil, nil, nil},
		"a server with a colon":  {nil, []string{"2001:db8::53"}, []string{"2001:db8::53"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			parse := func(list []string) (out []netip.Addr) {
				for _, a := range list {
					out = append(out, netip.MustParseAddr(a))
				}
				return out
			}
			s.Network.DNS, facts.DNS = parse(c.settings), parse(c.host)
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, p.Sidecar.DaemonConfig["dns"]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEachSubnetHasOneOfIPv6(t *testing.T) {
	n := Network{
		Pool: netip.MustParsePrefix("10.231.0.0/16"), SubnetBits: 26,
		Pool6: netip.MustParsePrefix("fd6b:3f2a:91c7::/48"),
	}
	for subnet, want := range map[string]string{
		"10.231.0.0/26":     "fd6b:3f2a:91c7::/64",
		"10.231.0.64/26":    "fd6b:3f2a:91c7:1::/64",
		"10.231.1.0/26":     "fd6b:3f2a:91c7:4::/64",
		"10.231.255.192/26": "fd6b:3f2a:91c7:3ff::/64",
	} {
		if got := n.Subnet6(netip.MustParsePrefix(subnet)); got.String() != want {
			t.Errorf("%s has %s, want %s", subnet, got, want)
		}
	}
	inner := inner6(n.Pool6)
	if inner.String() != "fd6b:3f2a:91c7:8000::/64" {
		t.Errorf("the inner daemon has %s", inner)
	}
	// This is the smallest pool in valid settings.
	n.Pool6 = netip.MustParsePrefix("fd00::/53")
	if last := n.Subnet6(netip.MustParsePrefix("10.231.255.192/26")); last.Overlaps(inner6(n.Pool6)) || !n.Pool6.Overlaps(last) {
		t.Errorf("%s overlaps %s, or is outside of %s", last, inner6(n.Pool6), n.Pool6)
	}
}
