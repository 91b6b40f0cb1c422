package driver

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

func TestEnginesThatKeepSandboxesApartOverIPv6(t *testing.T) {
	for name, c := range map[string]struct {
		api          string
		experimental bool
		rules        host.Rules
		apart        bool
	}{
		"20.10":                               {"1.41", false, host.RulesThere, false},
		"20.10 with an experiment of another": {"1.41", true, host.RulesMissing, false},
		"20.10 with ip6tables":                {"1.41", true, host.RulesThere, true},
		"20.10 elsewhere":                     {"1.41", true, host.RulesUnseen, false},
		"26 without the experiment":           {"1.45", false, host.RulesUnseen, false},
		"26 with ip6tables":                   {"1.45", true, host.RulesThere, true},
		"27":                                  {"1.46", false, host.RulesThere, true},
		"27 elsewhere":                        {"1.46", false, host.RulesUnseen, true},
		"27 told to have none":                {"1.47", false, host.RulesMissing, false},
		"29":                                  {"1.52", false, host.RulesThere, true},
		"27 with other experiments, and no rules": {"1.46", true, host.RulesMissing, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := apart6(c.api, c.experimental, c.rules)
			if (err == nil) != c.apart {
				t.Fatalf("error %v", err)
			}
			if err != nil && (fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "network.ipv6")) {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

// If an engine has no rules for IPv6, a job with IPv6 is refused before anything is made.
func TestIPv6IsRefusedWhereSandboxesAreNotKeptApart(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	p.Network.Pool6 = netip.MustParsePrefix("fd00:1::/48")
	e, d := fakeHost(t, p)
	e.Always("GET /_ping", func(_ *fakeengine.Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("API-Version", "1.41")
	})
	_, err := d.Prepare(t.Context(), p, quiet)
	if !errors.Is(err, errOpen6) || fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), `"ip6tables": true`) {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if e.Count("POST /networks/create") != 0 || len(e.Objects()) != 0 {
		t.Errorf("left are %q", e.Objects())
	}
	if err := d.TryIPv6(t.Context(), p); !errors.Is(err, errOpen6) {
		t.Errorf("doctor's trial: %v", err)
	}
}

func TestAnEngineWithRulesGivesIPv6(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	p.Network.Pool6 = netip.MustParsePrefix("fd00:1::/48")
	e, d := fakeHost(t, p) // the fake engine is version 27
	if err := d.TryIPv6(t.Context(), p); err != nil || len(e.Objects()) != 0 {
		t.Errorf("doctor's trial: %v, left are %q", err, e.Objects())
	}
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Error(err)
	}
}

func TestTheGatewayOfAnIPv6Network(t *testing.T) {
	for name, c := range map[string]struct {
		configs []engine.Subnet
		want    string
	}{
		"the first address":  {[]engine.Subnet{{Subnet: "10.0.0.0/26", Gateway: "10.0.0.1"}, {Subnet: "fd00:1::/64"}}, "fd00:1::1"},
		"one that was named": {[]engine.Subnet{{Subnet: "fd00:1::/64", Gateway: "fd00:1::9"}}, "fd00:1::9"},
		"none":               {[]engine.Subnet{{Subnet: "10.0.0.0/26", Gateway: "10.0.0.1"}}, ""},
		"what is no address": {[]engine.Subnet{{Subnet: "x", Gateway: "y"}}, ""},
	} {
		got, err := gateway6Of(c.configs)
		if (err == nil) != (c.want != "") || err == nil && got.String() != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}
