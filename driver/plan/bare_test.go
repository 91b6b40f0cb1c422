package plan

import (
	"net/netip"
	"slices"
	"testing"

	"gitlab-dind-executor/config"
)

// A bare sandbox serves jobs of any project, with any daemon image that can run there.
func TestWhichJobsShareABareSandbox(t *testing.T) {
	kind := func(change func(*config.Settings, *Job, *Facts)) string {
		s, job, facts := example()
		s.Pool.Bare = 2
		change(&s, &job, &facts)
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		return p.Bare.Kind
	}
	usual := kind(func(*config.Settings, *Job, *Facts) {})
	if usual == "" {
		t.Fatal("a job begins in none")
	}
	for name, c := range map[string]struct {
		change func(*config.Settings, *Job, *Facts)
		same   bool
	}{
		"of another project": {func(_ *config.Settings, j *Job, _ *Facts) { j.Project, j.Scope = "other/app", "x/9/protected" }, true},
		"of another sandbox": {func(_ *config.Settings, _ *Job, f *Facts) { f.Sandbox = "fedcba987654" }, true},
		"with networks besides": {func(_ *config.Settings, _ *Job, f *Facts) {
			f.Used = append(f.Used, netip.MustParsePrefix("10.231.7.0/24"))
		}, true},
		"with another daemon": {func(_ *config.Settings, j *Job, _ *Facts) {
			j.Services = []Service{{Image: Image{Name: "docker:24-dind"}, Aliases: []string{"docker"}}}
		}, true},
		"with a daemon of another name": {func(_ *config.Settings, j *Job, _ *Facts) {
			j.Services = []Service{{Image: Image{Name: "docker:dind"}, Aliases: []string{"engine"}}}
		}, false},
		"of another Runner":  {func(_ *config.Settings, j *Job, _ *Facts) { j.RunnerVersion = "17.0.0" }, false},
		"of another release": {func(_ *config.Settings, _ *Job, f *Facts) { f.Version = "9.9.9" }, false},
		"with another MTU":   {func(s *config.Settings, _ *Job, _ *Facts) { s.Network.MTU = 1300 }, false},
		"with more hosts":    {func(s *config.Settings, _ *Job, _ *Facts) { s.Network.ExtraHosts = []string{"a:192.0.2.1"} }, false},
		"with IPv6":          {func(s *config.Settings, _ *Job, _ *Facts) { s.Network.IPv6 = true }, false},
		"with name servers": {func(s *config.Settings, _ *Job, _ *Facts) {
			s.Network.DNS = []netip.Addr{netip.MustParseAddr("192.0.2.53")}
		}, false},
		"with another helper":   {func(s *config.Settings, _ *Job, _ *Facts) { s.Helper.Image = "helper:2" }, false},
		"with larger subnets":   {func(s *config.Settings, _ *Job, _ *Facts) { s.Network.SubnetBits = 25 }, false},
		"with a limited helper": {func(s *config.Settings, _ *Job, _ *Facts) { s.Limits.Helper.PIDs = 99 }, false},
	} {
		if got := kind(c.change); (got == usual) != c.same {
			t.Errorf("%s: the same is %t", name, got == usual)
		}
	}
}

func TestWhoBeginsInNoBareSandbox(t *testing.T) {
	for name, change := range map[string]func(*config.Settings){
		"where none wait": func(s *config.Settings) { s.Pool.Bare = 0 },
		"under a runtime": func(s *config.Settings) {
			s.Sidecar.Privilege, s.Sidecar.Runtime = config.PrivilegeRuntime, "sysbox-runc"
		},
		"under an inner kernel":  func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegeGVisor },
		"alone, as the try does": func(s *config.Settings) { *s = s.Alone() },
	} {
		s, job, facts := example()
		s.Pool.Bare = 2
		change(&s)
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if p.Bare != (Bare{}) {
			t.Errorf("%s: %+v", name, p.Bare)
		}
	}
}

// The seat is reached like the daemon, by the sidecar's address and names.
func TestTheSeatHasTheSidecarsPlace(t *testing.T) {
	s, job, facts := example()
	s.Network.IPv6 = true
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	subnet := netip.MustParsePrefix("10.231.9.0/24")
	seat, sidecar := p.Seat(subnet), p.Sidecar.At(subnet, p.Network)
	if seat.IP != sidecar.IP || seat.IP6 != sidecar.IP6 || !seat.IP.IsValid() || !seat.IP6.IsValid() {
		t.Errorf("at %s and %s, not %s and %s", seat.IP, seat.IP6, sidecar.IP, sidecar.IP6)
	}
	if seat.Hostname != sidecar.Hostname || seat.Hostname == "" || !slices.Equal(seat.Aliases, sidecar.Aliases) || !slices.Contains(seat.Aliases, "docker") {
		t.Errorf("called %q and %q", seat.Hostname, seat.Aliases)
	}
	if seat.Privileged || len(seat.Environment) > 0 {
		t.Errorf("more than a place: %+v", seat)
	}
}
