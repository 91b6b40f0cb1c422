package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
)

// The certificate is made before the sidecar, so the addresses must be known.
func TestTheSidecarsAddressesAreKnownFromItsSubnet(t *testing.T) {
	for name, c := range map[string]struct {
		subnet string
		change func(*config.Settings)
		want   string
	}{
		"the default":           {"10.231.0.64/26", func(*config.Settings) {}, "10.231.0.125 invalid IP"},
		"without root":          {"10.231.0.64/26", func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegeRootless }, "10.231.0.125 invalid IP"},
		"a kernel of its own":   {"10.231.0.64/26", func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegeGVisor }, "10.231.0.125 invalid IP"},
		"with IPv6":             {"10.231.0.64/26", func(s *config.Settings) { s.Network.IPv6 = true }, "10.231.0.125 fd6b:3f2a:91c7:1::fffd"},
		"a subnet of few":       {"10.231.0.8/29", func(*config.Settings) {}, "invalid IP invalid IP"},
		"a relay in one of few": {"10.231.0.8/29", func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegeGVisor }, "10.231.0.13 invalid IP"},
		"no subnet":             {"", func(*config.Settings) {}, "invalid IP invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			c.change(&s)
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			subnet, _ := netip.ParsePrefix(c.subnet)
			at := p.Sidecar.At(subnet, p.Network)
			if got := fmt.Sprint(at.IP, " ", at.IP6); got != c.want {
				t.Errorf("it has %s, want %s", got, c.want)
			}
			for _, own := range []netip.Addr{at.IP, at.IP6} {
				if own.IsValid() && !slices.Contains(at.Addresses(), own) {
					t.Errorf("%s is not among %s", own, at.Addresses())
				}
			}
			for _, always := range []string{"127.0.0.1", "::1", "10.232.0.1"} {
				if !slices.Contains(at.Addresses(), netip.MustParseAddr(always)) {
					t.Errorf("%s is not among %s", always, at.Addresses())
				}
			}
		})
	}
}

func TestWhatAPipelineAddsToTheCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		text      string
		names     []string
		addresses string
	}{
		"nothing":                     {"", nil, "[]"},
		"a name":                      {"DNS:docker.example.com", []string{"docker.example.com"}, "[]"},
		"names and addresses":         {"DNS:a,IP:192.0.2.7 DNS:*.b.example\nIP:2001:db8::7", []string{"a", "*.b.example"}, "[192.0.2.7 2001:db8::7]"},
		"what is neither":             {"email:a@example.com,URI:http://x,dirName:x,otherName:1.2;UTF8:x,copy", nil, "[]"},
		"no names":                    {"DNS:,DNS:a b,DNS:-x,DNS:\x00,DNS:*,DNS:*.*.x", []string{"a"}, "[]"},
		"no addresses":                {"IP:,IP:docker,IP:10.0.0.0/8,IP:300.0.0.1", nil, "[]"},
		"an address with a zone":      {"IP:fe80::1%eth0", nil, "[fe80::1]"},
		"other keys of openssl's own": {"DNS.1:a,DNS:b\n[ ext ]\nbasicConstraints=CA:TRUE", []string{"b"}, "[]"},
	} {
		names, addresses := alternatives(c.text)
		if diff := cmp.Diff(c.names, names); diff != "" || fmt.Sprint(addresses) != c.addresses {
			t.Errorf("%s: addresses %s, names (-want +got):\n%s", name, addresses, diff)
		}
	}
	if names, _ := alternatives(strings.Repeat("DNS:a,", 1000)); len(names) != maxAlternatives {
		t.Errorf("there are %d names", len(names))
	}
	for name, change := range map[string]func(*Job){
		"of the service": func(j *Job) {
			j.Services = []Service{{Image: Image{Name: "docker:dind"}, Variables: vars("DOCKER_TLS_SAN=DNS:x,IP:192.0.2.7")}}
		},
		"of the job": func(j *Job) { j.Variables = vars("DOCKER_TLS_SAN=DNS:x,IP:192.0.2.7") },
	} {
		s, job, facts := example()
		change(&job)
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(p.Sidecar.TLS.Names, "x") || !slices.Contains(p.Sidecar.Addresses(), netip.MustParseAddr("192.0.2.7")) {
			t.Errorf("a variable %s: the certificate is for %q and %s", name, p.Sidecar.TLS.Names, p.Sidecar.Addresses())
		}
	}
}
