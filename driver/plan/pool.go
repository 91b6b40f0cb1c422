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

// Pool says how sandboxes are made ahead for jobs of this kind. The zero value
// means that there are none.
type Pool struct {
	// Size is how many wait on this engine, of all kinds together.
	Size int `json:",omitempty"`
	// MaxAge is how long one waits at most.
	MaxAge time.Duration `json:",omitempty"`
	// Serves is the longest time that a job may still take: the certificates end
	// then.
	Serves time.Duration `json:",omitempty"`
	// AfterJob says that a job has just ended, and that its layers are free.
	AfterJob bool `json:",omitempty"`
	// Behind is the key of a job that has just been prepared: nothing is made ahead
	// before its script has begun.
	Behind string `json:",omitempty"`
}

// pool plans what a job may claim.
func pool(p config.Pool, c config.Cleanup) Pool {
	if p.Size == 0 {
		return Pool{}
	}
	return Pool{Size: p.Size, MaxAge: p.MaxAge.Std(), Serves: p.JobTimeout.Std() + c.Grace.Std()}
}

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

// MayWait tells whether sandboxes of the plan's kind may wait for jobs. Whatever
// reaches a daemon without TLS is root in its sidecar, and one that waits would be
// there for hours.
func (p *Plan) MayWait() bool { return p.Pool.Size > 0 && p.Sidecar.TLS != nil }

// Claimable tells whether a job may take a sandbox that was made ahead, and if
// not, why.
func (p *Plan) Claimable(now time.Time) (why string, ok bool) {
	if !p.MayWait() {
		return "a docker daemon without TLS is never made ahead", false
	}
	if left := p.Claim.Deadline.Sub(now); left > p.Pool.Serves {
		return "this job's timeout is longer than pool.job_timeout", false
	}
	return "", true
}

// Ahead is what is made of the plan before there is a job: network, sidecar and
// helper, in a sandbox that has no name yet. Its images are there already.
func (p *Plan) Ahead() *Plan {
	a := &Plan{
		Spec: p.Spec, Pool: p.Pool, Bare: p.Bare, Network: p.Network, Sidecar: p.Sidecar, Helper: p.Helper.withoutCache(),
		PullTimeout: p.PullTimeout, PullAttempts: p.PullAttempts,
	}
	if a.Sidecar.Layers {
		a.Claim = Claim{Scope: p.Claim.Scope, Instance: p.Claim.Instance, Project: p.Claim.Project, Protection: p.Claim.Protection}
	}
	if a.Sidecar.TLS != nil {
		tls := *a.Sidecar.TLS
		tls.Lifetime = p.Pool.MaxAge + p.Pool.Serves + certificateSlack
		a.Sidecar.TLS = &tls
	}
	return a
}

// In is the plan for another sandbox, e.g. one that was made ahead.
func (p *Plan) In(sandbox string) *Plan {
	moved := *p
	moved.Services = append([]Container{}, p.Services...)
	moved.Sandbox = sandbox
	moved.each(func(c *Container) { c.Hostname = hostname(sandbox, *c) })
	return &moved
}

// hostname is a container's own in its sandbox.
func hostname(sandbox string, c Container) string {
	switch {
	case c.OwnHostname != "":
		return c.OwnHostname
	case c.Role == RoleJob:
		return "dind-" + sandbox
	}
	return "dind-" + sandbox + "-" + string(c.Role)
}

// Encode writes a plan for the process that makes sandboxes ahead. It holds the
// sidecar's environment, so it goes through a pipe and nowhere else.
// Credentials stay behind: the images are on the engine.
func (p *Plan) Encode() ([]byte, error) {
	a := p.Ahead()
	for _, image := range []*ImageRef{&a.Sidecar.Image, &a.Helper.Image} {
		image.Policies, image.Auth = []string{config.PullNever}, nil
	}
	return json.Marshal(a)
}

// Decode reads what Encode wrote.
func Decode(text []byte) (*Plan, error) {
	var p Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("reading what sandbox to make: %w", err)
	}
	for key, value := range p.Sidecar.DaemonConfig {
		if list, ok := stringList(value); ok {
			p.Sidecar.DaemonConfig[key] = list
		}
	}
	return &p, nil
}

// stringList undoes what JSON makes of a []string in an any.
func stringList(value any) ([]string, bool) {
	list, ok := value.([]any)
	texts := make([]string, len(list))
	for i, v := range list {
		if texts[i], ok = v.(string); !ok {
			return nil, false
		}
	}
	return texts, ok
}

// spec hashes what a sandbox made ahead must share with the job's plan: all of
// its network, sidecar and helper but the names that carry the sandbox's id and
// the cache, which a claim adds.
func spec(p *Plan, version string) string {
	sidecar, helper := p.Sidecar, p.Helper.withoutCache()
	scope := ""
	if sidecar.Layers {
		scope = p.Claim.Scope // nobody else may have them
	}
	sidecar.Hostname, helper.Hostname = "", ""
	sidecar.Mirror = nil // the sidecar finds out whether it serves
	for _, image := range []*ImageRef{&sidecar.Image, &helper.Image} {
		image.Policies, image.Auth = nil, nil // it is there, and each job asks with its own
	}
	if sidecar.TLS != nil {
		tls := *sidecar.TLS
		tls.Lifetime = p.Pool.Serves
		sidecar.TLS = &tls
	}
	b, err := json.Marshal(struct {
		Network         Network
		Sidecar         Sidecar
		Helper          Container
		BuildsContainer string
		LayersScope     string
		Version         string `json:",omitempty"`
	}{Network{Pool: p.Network.Pool, SubnetBits: p.Network.SubnetBits, MTU: p.Network.MTU, Pool6: p.Network.Pool6}, sidecar, helper, p.Helper.BuildsPath, scope, version})
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // plain data: cannot fail
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
