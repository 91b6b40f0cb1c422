package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"gitlab-dind-executor/config"
)

// Bare says how bare sandboxes are made for jobs of this kind: a network, a helper, and
// a seat that has the sidecar's place in the network. The zero value means that there
// are none.
type Bare struct {
	// Size is how many wait on this engine, of all kinds together.
	Size int `json:",omitempty"`
	// MaxAge is how long one waits at most.
	MaxAge time.Duration `json:",omitempty"`
	// Kind is a hash of what a job's plan must share with one.
	Kind string `json:",omitempty"`
}

// bare plans what bare sandbox a job may begin in. A sidecar with a network stack of
// its own, or with a runtime of its own, joins no other container.
func bare(p *Plan, s config.Pool, version string) Bare {
	if s.Bare == 0 || p.Sidecar.Relay || p.Sidecar.Rights.Runtime != "" {
		return Bare{}
	}
	helper, seat := p.Helper.withoutCache(), p.Seat(netip.Prefix{})
	helper.Hostname, seat.Hostname, seat.Image = "", p.Sidecar.OwnHostname, ImageRef{}
	helper.Image.Policies, helper.Image.Auth = nil, nil
	network := p.Network
	network.Avoid = nil
	b, err := json.Marshal(struct {
		Network      Network
		Helper, Seat Container
		Version      string
	}{network, helper, seat, version})
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // plain data: cannot fail
	}
	sum := sha256.Sum256(b)
	return Bare{Size: s.Bare, MaxAge: s.MaxAge.Std(), Kind: hex.EncodeToString(sum[:])}
}

// Seat is the container that has the sidecar's address and names in a bare sandbox with
// that subnet. The helper's image is there already, and has what it runs.
func (p *Plan) Seat(subnet netip.Prefix) Container {
	s := p.Sidecar.At(subnet, p.Network)
	return Container{
		Role: RoleSeat, Image: p.Helper.Image, Entrypoint: []string{"tail", "-f", "/dev/null"},
		Hostname: s.Hostname, Aliases: s.Aliases, ExtraHosts: s.ExtraHosts, DNS: s.DNS, DNSSearch: s.DNSSearch,
		IP: s.IP, IP6: s.IP6,
	}
}

// MayFill tells whether sandboxes of the plan's kind, with a daemon or bare, may wait
// for jobs.
func (p *Plan) MayFill() bool { return p.MayWait() || p.Bare.Size > 0 }
