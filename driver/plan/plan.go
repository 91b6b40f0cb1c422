package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// Role says what an object of a sandbox is for.
type Role string

// The roles of containers, networks and volumes.
const (
	RoleNetwork Role = "network"
	RoleBuilds  Role = "builds"
	RoleData    Role = "data"
	RoleCache   Role = "cache"
	RoleSidecar Role = "sidecar"
	RoleHelper  Role = "helper"
	RoleJob     Role = "job"
	RoleService Role = "service"
	// RoleRelay is of a container that asks Docker's own resolver for a sidecar with a
	// kernel of its own.
	RoleRelay Role = "relay"
	// RoleSeat is of a container that has the sidecar's address and names in a bare
	// sandbox, for the sidecar to join it there.
	RoleSeat   Role = "seat"
	RoleMirror Role = "mirror"
	// RoleMark is of a mark: an empty volume that says of another what its own
	// labels cannot, since those never change. It is about a cache, a data root or
	// a seed: a job had it, its state, that it is ready.
	RoleMark Role = "mark"
	// RoleCerts is of the volume with the client's certificates, which sidecar and
	// job container share.
	RoleCerts Role = "certs"
	// RoleCAs is of the volume with the CAs of registries for the job container.
	RoleCAs     Role = "cas"
	RoleSeed    Role = "seed"
	RoleScratch Role = "scratch"
	// RoleProgram is of a container, and of its image, that holds this program alone
	// and works on one volume.
	RoleProgram Role = "program"
	// RoleStuck is of a mark that says that a volume resists its removal.
	RoleStuck Role = "stuck"
	// RoleSilent is of a mark that says until when nobody asks a registry that said
	// nothing.
	RoleSilent Role = "silent"
	// RoleEnded is of a mark that says that a sandbox's job has ended.
	RoleEnded Role = "ended"
	// RoleHeld is of a mark that says until when a failed job's sandbox is held.
	RoleHeld Role = "held"
	// RoleHeldBefore is RoleHeld as earlier versions wrote it.
	RoleHeldBefore Role = "kept"
)

// Plan is the full description of what a job gets.
type Plan struct {
	// Sandbox is the id of the sandbox, 12 hex digits.
	Sandbox string
	// Spec is a hash of all that makes a warm sandbox fit this job.
	Spec  string
	Claim Claim

	Network  Network
	Sidecar  Sidecar
	Helper   Container
	Job      JobContainer
	Services []Container
	// ServicesReady is about all of Services.
	ServicesReady ServicesReady
	// Cached says that the helper works with the cache: a helper that was made
	// ahead has none.
	Cached bool `json:",omitempty"`
	Pool   Pool `json:",omitzero"`
	Bare   Bare `json:",omitzero"`

	// PullTimeout bounds each pull, all of its attempts.
	PullTimeout  time.Duration
	PullAttempts int
	// PullParallel is how many images are fetched at once, and PullMaxSize bounds
	// each, in bytes; 0 means that there is no bound.
	PullParallel int   `json:",omitempty"`
	PullMaxSize  int64 `json:",omitempty"`
	// Notes and Warnings are lines for the job log.
	Notes    []string `json:",omitempty"`
	Warnings []string
}

// Claim says whose a sandbox is and until when.
type Claim struct {
	Job, Owner, Scope string
	// Inherits is another scope, of which a first data root may be a copy; empty for
	// none.
	Inherits string `json:",omitempty"`
	// Instance, Project and Protection are what the scope is made of, for policies.
	// Instance is the host of the GitLab.
	Instance   string `json:",omitempty"`
	Project    string
	Protection Protection
	Deadline   time.Time
}

// Network is the sandbox's own bridge.
type Network struct {
	Pool       netip.Prefix
	SubnetBits int
	// Avoid are ranges that no subnet may overlap.
	Avoid []netip.Prefix
	MTU   int
	// Pool6 holds an IPv6 subnet for each of the pool's; the zero value means
	// no IPv6.
	Pool6 netip.Prefix
}

// Container is what every container of a plan has.
type Container struct {
	Role  Role
	Image ImageRef
	// Entrypoint nil keeps the image's own, Command nil likewise.
	Entrypoint, Command []string
	User                string
	// Environment holds KEY=VALUE entries; the last of duplicates wins.
	Environment []string
	Hostname    string
	// OwnHostname is the one that the settings give; empty for one that names the
	// sandbox.
	OwnHostname string `json:",omitempty"`
	// Aliases are the names it answers to in the sandbox.
	Aliases    []string
	ExtraHosts []string
	// DNS are the servers that Docker's own resolver asks for it, and DNSSearch the
	// domains of short names; none means the engine's.
	DNS       []netip.Addr `json:",omitempty"`
	DNSSearch []string     `json:",omitempty"`
	// IP is its own in the sandbox; the zero value lets the engine choose.
	IP netip.Addr `json:",omitzero"`
	// IP6 is the same of IPv6.
	IP6 netip.Addr `json:",omitzero"`
	// Joins is the container, by name or id, whose place in the network it has; empty
	// for one of its own.
	Joins string `json:",omitempty"`
	// BuildsPath is where the builds volume is mounted.
	BuildsPath string
	// CachePath is where the cache of the claim's scope is mounted; empty
	// without one. CacheEnds makes it one of the sandbox's own, which goes with it.
	CachePath string
	CacheEnds bool `json:",omitempty"`
	// CachePaths are cached likewise, each in a volume of its own.
	CachePaths []string `json:",omitempty"`
	// CertsPath is where the volume with the client's certificates is mounted;
	// empty without one.
	CertsPath string `json:",omitempty"`
	// CertDirs are the directories that receive those files besides.
	CertDirs []string `json:",omitempty"`
	// HostFiles are put over the image's own.
	HostFiles []HostFile
	// DataPath is where the data root is mounted; empty without one.
	DataPath string
	// DataVolume is a cached data root; empty for one that goes with the sandbox.
	DataVolume string `json:",omitempty"`
	// DataSize bounds, in bytes, a data root that is in memory, and ends with its
	// container; 0 for one in a volume. DataFile has the runtime keep that in a file
	// of the volume, with nothing left behind.
	DataSize int64 `json:",omitempty"`
	DataFile bool  `json:",omitempty"`
	// SeedVolume is mounted at SeedPath, read-only; empty without a seed.
	SeedVolume string `json:",omitempty"`
	Privileged bool
	// Rights are those between an ordinary container's and a privileged one's.
	Rights Rights `json:",omitzero"`
	// Extras are what else the settings give to an ordinary container.
	Extras Extras `json:",omitzero"`
	// Stdin keeps a stdin open for one attached client, Serves for one after the
	// other.
	Stdin  bool
	Serves bool `json:",omitempty"`
	// Init starts the engine's init process before anything else.
	Init   bool   `json:",omitempty"`
	Limits Limits `json:",omitzero"`
}

// InMemory tells whether a data root is in memory, and no volume.
func (c Container) InMemory() bool { return c.DataSize > 0 && !c.DataFile }

// Sidecar is the container with the inner daemon.
type Sidecar struct {
	Container
	// Arguments are dockerd's, which Fit puts before the command's or, where the
	// job's service has none, the image's.
	Arguments []string `json:",omitempty"`
	// TLS is nil when the inner daemon listens in plaintext.
	TLS *TLS
	// Port is where the inner daemon listens.
	Port int
	// StorageDriver is the DOCKER_DRIVER that the pipeline names, if any.
	StorageDriver string
	// Layers lets it have a data root that is cached for the claim's scope.
	// DataKind, of Fit, tells those that fit it from others.
	Layers   bool   `json:",omitempty"`
	DataKind string `json:",omitempty"`
	// SeedImages are what a new data root begins with. Seed, of Fit, tells the
	// seeds that fit it from others; empty if none may.
	SeedImages []string `json:",omitempty"`
	Seed       string   `json:",omitempty"`
	// DaemonConfig is laid under the image's own daemon.json. Until Fit it holds
	// what the image's version may not know.
	DaemonConfig map[string]any
	// Relay says that it cannot ask Docker's own resolver: another container of the
	// sandbox does that for it.
	Relay bool `json:",omitempty"`
	// Mirror is nil where there is none.
	Mirror *MirrorAccess `json:",omitempty"`
	// RegistryCAs are PEM certificates by registry host and port.
	RegistryCAs map[string][]byte
	// Account is nil when the inner daemon runs as root.
	Account *Account `json:",omitempty"`
	// FastBoot starts containerd before dockerd where the image allows it.
	FastBoot     bool
	ReadyTimeout time.Duration
	// Queues, of Fit, says that nothing but dockerd takes its port, and soon before it
	// answers: see queues.
	Queues bool `json:",omitempty"`
	// Given is what the pipeline has said of it, for whose fault it is when it does
	// not boot. It makes no other sandbox.
	Given Given `json:"-"`
}

// TLS describes the certificates of a sandbox.
type TLS struct {
	// Names are the host names that the server's certificate is valid for, and
	// Addresses those that the pipeline names besides the sidecar's own.
	Names     []string
	Addresses []netip.Addr `json:",omitempty"`
	// RSA says that the client's key is of RSA; else it is of ECDSA.
	RSA bool `json:",omitempty"`
	// Lifetime is how long the certificates are valid.
	Lifetime time.Duration
}

// JobContainer is the unprivileged container of the job's script.
type JobContainer struct {
	Container
	// RegistryCAs are PEM certificates by registry host and port.
	RegistryCAs map[string][]byte
	// Direct is what its scripts must add to the NO_PROXY that they export;
	// empty where they export none.
	Direct string
	// Early starts it while the inner daemon boots.
	Early bool
}

// Build makes the plan of a job. Its error is a fault of the job when the
// pipeline asks for what the settings forbid.
func Build(s config.Settings, job Job, facts Facts) (*Plan, error) {
	all := s
	s, _ = Effective(s, job)
	own, err := ownServices(s)
	if err != nil {
		return nil, err
	}
	if n, most := len(own)+len(job.Services), s.Services.Max; most > 0 && n > most {
		return nil, fault.Job(fmt.Errorf("this job has %d services, and this runner allows %d", n, most),
			"use fewer, or ask the runner's admin to raise services.max")
	}
	var notes []string
	job.Services, notes = withRootless(s.Sidecar, job.Services)
	declared, services, once, err := splitServices(job.Services)
	if err != nil {
		return nil, err
	}
	services = append(own, services...)
	conn := connect(job.Variables, declared, daemonNames(daemonService(s, declared)))
	if !conn.tls && s.Sidecar.Plaintext == config.PlaintextForbid {
		return nil, fault.Job(
			fmt.Errorf("the docker daemon of this job would listen without TLS, since %s: this runner forbids it", conn.reason),
			conn.remedy)
	}
	inner, err := innerRanges(s.Network, facts.Used)
	if err != nil {
		return nil, err
	}
	p := &Plan{
		Sandbox: facts.Sandbox,
		Claim: Claim{
			Job: job.Key, Owner: facts.Owner, Scope: job.Scope, Inherits: inherits(s, job),
			Instance: job.instance(), Project: job.Project, Protection: job.Protection,
			Deadline: facts.Started.Add(job.Timeout + s.Cleanup.Grace.Std()).UTC().Truncate(time.Second),
		},
		Network: Network{
			Pool: s.Network.Pool, SubnetBits: s.Network.SubnetBits,
			Avoid: facts.Used, MTU: mtu(s.Network, facts),
			Pool6: pool6(s.Network),
		},
		PullTimeout: s.Pull.Timeout.Std(), PullAttempts: s.Pull.Attempts,
		PullParallel: s.Pull.Parallel, PullMaxSize: s.Pull.MaxSize.Bytes(),
		Cached: job.Cached, Pool: pool(s.Pool, s.Cleanup),
		ServicesReady: ServicesReady{Timeout: s.Services.ReadyTimeout.Std(), Required: s.Services.Required},
		Notes:         append(notes, once...),
		Warnings:      append(unprotectable(all, s, job), conn.warnings...),
	}
	pl := &planner{s: s, job: job, facts: facts, conn: conn}
	if conn.tls {
		var odd []string
		pl.rsa, odd = clientKey(s.Sidecar, job.Variables)
		p.Warnings = append(p.Warnings, odd...)
	}
	if p.Sidecar, err = pl.sidecar(declared, inner); err != nil {
		return nil, err
	}
	dropFlagged(p.Sidecar.DaemonConfig, slices.Concat(p.Sidecar.Arguments, p.Sidecar.Command))
	if p.Helper, err = pl.helper(); err != nil {
		return nil, err
	}
	names := slices.Clone(p.Sidecar.Aliases)
	for _, svc := range services {
		c, err := pl.service(svc, declared, p.Sidecar.Aliases)
		if err != nil {
			return nil, err
		}
		p.Services = append(p.Services, c)
		names = append(names, c.Aliases...)
	}
	if p.Job, err = pl.jobContainer(names); err != nil {
		return nil, err
	}
	p.Warnings = append(p.Warnings, distinctNames(p.Sidecar.Aliases, p.Services, services)...)
	p.each(func(c *Container) {
		c.ExtraHosts, c.DNS, c.DNSSearch = s.Network.ExtraHosts, orNone(s.Network.DNS), orNone(s.Network.DNSSearch)
		c.BuildsPath = job.BuildsDir
		if c.Role != RoleSidecar { // which must not depend on the job's scope
			c.CachePath = pl.cachePath()
			c.CachePaths = pl.cachePaths()
			c.CacheEnds = len(c.Caches()) > 0 && job.Protection == ProtectionUnknown
		}
		c.Limits = limits(s.Limits, c.Role)
		c.Hostname = hostname(p.Sandbox, *c)
	})
	p.Warnings = append(p.Warnings, pl.warnings...)
	p.Spec = spec(p, facts.Version)
	p.Bare = bare(p, s.Pool, facts.Version)
	return p, nil
}

// each visits every container of the plan.
func (p *Plan) each(visit func(*Container)) {
	visit(&p.Sidecar.Container)
	visit(&p.Helper)
	visit(&p.Job.Container)
	for i := range p.Services {
		visit(&p.Services[i])
	}
}

// Words splits what GitLab allows to be separated by spaces or commas.
func Words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}
