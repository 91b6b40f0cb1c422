package plan

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestTheImagesDaemonConfigWins(t *testing.T) {
	ours := map[string]any{"mtu": 1450, "bip": "10.232.0.1/20"}
	for name, c := range map[string]struct {
		ours  map[string]any
		image string
		want  string
	}{
		"ours alone":                {ours, "", `{"bip":"10.232.0.1/20","mtu":1450}`},
		"theirs is added":           {ours, `{"debug":true}`, `{"bip":"10.232.0.1/20","debug":true,"mtu":1450}`},
		"theirs wins":               {ours, `{"mtu":1400}`, `{"bip":"10.232.0.1/20","mtu":1400}`},
		"an empty object of theirs": {ours, ` {} `, `{"bip":"10.232.0.1/20","mtu":1450}`},
		"null of theirs":            {ours, `null`, `{"bip":"10.232.0.1/20","mtu":1450}`},
		"nothing of ours":           {nil, `{"debug":true}`, `{"debug":true}`},
		"nothing at all":            {nil, "", ""},
		"nothing in either":         {map[string]any{}, `{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := maps.Clone(c.ours)
			got, err := MergeDaemonConfig(c.ours, []byte(c.image))
			if err != nil {
				t.Fatal(err)
			}
			var want []byte
			if c.want != "" {
				var v any
				if err := json.Unmarshal([]byte(c.want), &v); err != nil {
					t.Fatal(err)
				}
				want, _ = json.MarshalIndent(v, "", "  ")
			}
			if string(got) != string(want) || (got == nil) != (want == nil) {
				t.Errorf("got %s, want %s", got, want)
			}
			if diff := cmp.Diff(before, c.ours); diff != "" {
				t.Errorf("ours was changed:\n%s", diff)
			}
		})
	}
}

func TestABrokenDaemonConfigOfTheImageIsAFaultOfTheJob(t *testing.T) {
	for _, image := range []string{"{", "[]", `"x"`, "\x00", "{}{}"} {
		_, err := MergeDaemonConfig(map[string]any{"mtu": 1}, []byte(image))
		if err == nil || !fault.IsOfJob(err) || !strings.Contains(err.Error(), "/etc/docker/daemon.json") {
			t.Errorf("%q: error %v", image, err)
		}
	}
}

func TestWhatTheCommandSetsIsNotInTheDaemonConfig(t *testing.T) {
	all := []string{"bip", "default-address-pools", "default-network-opts", "dns", "experimental", "fixed-cidr-v6", "insecure-registries", "ip6tables", "ipv6", "mtu", "registry-mirrors"}
	for name, c := range map[string]struct {
		command, dropped []string
	}{
		"nothing":             {nil, nil},
		"an MTU":              {[]string{"--mtu=1400"}, []string{"mtu"}},
		"a flag in two words": {[]string{"--mtu", "1400"}, []string{"mtu"}},
		"all of them": {[]string{
			"--bip=10.0.0.1/24", "--default-address-pool=base=10.0.0.0/8,size=24", "--dns=192.0.2.53", "--mtu=1400",
			"--default-network-opt=bridge=a=b", "--experimental", "--fixed-cidr-v6=fd00::/64", "--insecure-registry=r", "--ip6tables", "--ipv6", "--registry-mirror=https://m",
		}, all},
		"a flag that is longer": {[]string{"--dns-search=example.com", "--mtux"}, nil},
		"a flag of ours at all": {[]string{"--tls=false", "--debug"}, nil},
		"a whole command":       {[]string{"dockerd", "--dns=192.0.2.53"}, []string{"dns"}},
		"a mirror of its own":   {[]string{"--registry-mirror", "https://m"}, []string{"registry-mirrors"}},
		"a bridge of its own":   {[]string{"--bridge=br0"}, []string{"bip"}},
		"the same in one word":  {[]string{"-bnone"}, []string{"bip"}},
		"the bridge's short":    {[]string{"-b", "none"}, []string{"bip"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Network.IPv6 = true
			s.Sidecar.RegistryMirrors = []string{"https://mirror.example.com"}
			s.Registry = map[string]config.Registry{"r.example.com": {Insecure: true}}
			job.Services = []Service{{Image: Image{Name: "docker:dind"}, Command: c.command}}
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(k string) bool { return slices.Contains(c.dropped, k) })
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(p.Sidecar.DaemonConfig)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestASettingsFlagTooKeepsItsKeyOutOfTheDaemonConfig(t *testing.T) {
	s, job, facts := example()
	s.Sidecar.Arguments = []string{"--mtu=1400"}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if _, there := p.Sidecar.DaemonConfig["mtu"]; there {
		t.Error("mtu is in both, so dockerd would not start")
	}
}
