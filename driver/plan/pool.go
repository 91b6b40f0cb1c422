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

// Pool says how sandboxes for jobs of this kind are made ahead. The zero value means none.
type Pool struct {
	// Size is how many sandboxes wait on this engine, of all kinds together.
	Size int `json:",omitempty"`
	// MaxAge is the longest time that a sandbox waits.
	MaxAge time.Duration `json:",omitempty"`
	// Serves is the longest time that a job may have left when it claims a sandbox, because
	// then the certificates end.
	Serves time.Duration `json:",omitempty"`
	// AfterJob says that a job has just ended, and its layers become free.
	AfterJob bool `json:",omitempty"`
	// Behind is the key of a job that has just been prepared. Nothing is made ahead before
	// its script has begun.
	Behind string `json:",omitempty"`
}

// pool returns the pool from the settings.
func pool(p config.Pool, c config.Cleanup) Pool {
	if p.Size == 0 {
		return Pool{}
	}
	return Pool{Size: p.Size, MaxAge: p.MaxAge.Std(), Serves: p.JobTimeout.Std() + c.Grace.Std()}
}

// Bare says how bare sandboxes for jobs of this kind are made. A bare sandbox has a
// network, a helper, and a seat, which holds the sidecar's place in the network. The zero
// value means no bare sandboxes.
type Bare struct {
	// Size is how many bare sandboxes wait on this engine, of all kinds together.
	Size int `json:",omitempty"`
	// MaxAge is the longest time that a bare sandbox waits.
	MaxAge time.Duration `json:",omitempty"`
	// Kind is a hash of everything that a job's plan must share with the sandbox.
	Kind string `json:",omitempty"`
}

// bare plans the bare sandbox in which a job may begin. It returns the zero value for a
// sidecar with a network stack of its own (Relay), or with a runtime of its own. Such a
// sidecar cannot join another container.
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

// Seat is the container that holds the sidecar's address and names in a bare sandbox with
// the subnet. It uses the helper's image, which is there already and contains tail.
func (p *Plan) Seat(subnet netip.Prefix) Container {
	s := p.Sidecar.At(subnet, p.Network)
	return Container{
		Role: RoleSeat, Image: p.Helper.Image, Entrypoint: []string{"tail", "-f", "/dev/null"},
		Hostname: s.Hostname, Aliases: s.Aliases, ExtraHosts: s.ExtraHosts, DNS: s.DNS, DNSSearch: s.DNSSearch,
		IP: s.IP, IP6: s.IP6,
	}
}

// MayFill tells whether sandboxes of the plan's kind, with a daemon or bare, may wait for
// jobs.
func (p *Plan) MayFill() bool { return p.MayWait() || p.Bare.Size > 0 }

// MayWait tells whether sandboxes with a daemon of the plan's kind may wait for jobs.
// Daemons without TLS may not: anybody who reaches such a daemon is root in its sidecar,
// and a waiting sandbox exists for hours.
func (p *Plan) MayWait() bool { return p.Pool.Size > 0 && p.Sidecar.TLS != nil }

// Claimable tells whether a job may take a sandbox made ahead. why is the reason if not.
func (p *Plan) Claimable(now time.Time) (why string, ok bool) {
	if !p.MayWait() {
		return "a docker daemon without TLS is never made ahead", false
	}
	if left := p.Claim.Deadline.Sub(now); left > p.Pool.Serves {
		return "this job's timeout is longer than pool.job_timeout", false
	}
	return "", true
}

// Ahead is the part of the plan that is made before there is a job: network, sidecar and
// helper, in a sandbox without a name. The images must be on the engine already.
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

// In returns the plan for another sandbox, for example a sandbox made ahead.
func (p *Plan) In(sandbox string) *Plan {
	moved := *p
	moved.Services = append([]Container{}, p.Services...)
	moved.Sandbox = sandbox
	moved.each(func(c *Container) { c.Hostname = hostname(sandbox, *c) })
	return &moved
}

// hostname returns a container's host name in its sandbox.
func hostname(sandbox string, c Container) string {
	switch {
	case c.OwnHostname != "":
		return c.OwnHostname
	case c.Role == RoleJob:
		return "dind-" + sandbox
	}
	return "dind-" + sandbox + "-" + string(c.Role)
}

// Encode writes a plan for the process that makes sandboxes ahead. The text contains the
// sidecar's environment, so it only goes through a pipe. Credentials are left out: the
// images are on the engine.
func (p *Plan) Encode() ([]byte, error) {
	a := p.Ahead()
	for _, image := range []*ImageRef{&a.Sidecar.Image, &a.Helper.Image} {
		image.Policies, image.Auth = []string{config.PullNever}, nil
	}
	return json.Marshal(a)
}

// Decode reads the text of Encode.
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

// stringList returns a []string that JSON has decoded as []any.
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

// spec hashes everything that a sandbox made ahead must share with the job's plan: network,
// sidecar and helper. Names made from the sandbox's id are left out, and so is the cache,
// which a claim adds.
func spec(p *Plan, version string) string {
	sidecar, helper := p.Sidecar, p.Helper.withoutCache()
	scope := ""
	if sidecar.Layers {
		scope = p.Claim.Scope // layers belong to this scope alone
	}
	sidecar.Hostname, helper.Hostname = "", ""
	sidecar.Mirror = nil // the sidecar finds out whether the mirror serves
	for _, image := range []*ImageRef{&sidecar.Image, &helper.Image} {
		image.Policies, image.Auth = nil, nil // the images are there, and each job asks with its own
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
