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

// Role is the purpose of an object of a sandbox.
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
	// RoleRelay is the role of a container that asks Docker's resolver on behalf of a
	// sidecar with a kernel of its own.
	RoleRelay Role = "relay"
	// RoleSeat is the role of a container that holds the sidecar's address and names in a
	// bare sandbox. The sidecar joins its network.
	RoleSeat   Role = "seat"
	RoleMirror Role = "mirror"
	// RoleMark is the role of a mark: an empty volume whose labels describe another volume.
	// The other volume's labels cannot do so, since labels never change. A mark says that a
	// job has used a cache, which state a data root has, or that a seed is ready.
	RoleMark Role = "mark"
	// RoleCerts is the role of the volume with the client's certificates. Sidecar and job
	// container share it.
	RoleCerts Role = "certs"
	// RoleCAs is the role of the volume with the CAs of registries for the job container.
	RoleCAs     Role = "cas"
	RoleSeed    Role = "seed"
	RoleScratch Role = "scratch"
	// RoleProgram is the role of a container, and of its image, with this program alone.
	// The program works on a volume.
	RoleProgram Role = "program"
	// RoleStuck is the role of a mark for a volume that resists its removal.
	RoleStuck Role = "stuck"
	// RoleSilent is the role of a mark for a registry that did not answer. It says until
	// when nobody asks the registry.
	RoleSilent Role = "silent"
	// RoleEnded is the role of a mark for a sandbox whose job has ended.
	RoleEnded Role = "ended"
	// RoleHeld is the role of a mark for a failed job's sandbox. It says until when the
	// sandbox is held.
	RoleHeld Role = "held"
	// RoleHeldBefore is RoleHeld as written by earlier versions.
	RoleHeldBefore Role = "kept"
)

// Plan is the full description of a job's sandbox and containers.
type Plan struct {
	// Sandbox is the sandbox's id, 12 hex digits.
	Sandbox string
	// Spec is a hash of everything that a warm sandbox must share with this job.
	Spec  string
	Claim Claim

	Network  Network
	Sidecar  Sidecar
	Helper   Container
	Job      JobContainer
	Services []Container
	// ServicesReady holds for all of Services.
	ServicesReady ServicesReady
	// Cached says that the helper needs the job's cache. A helper made ahead has none.
	Cached bool `json:",omitempty"`
	Pool   Pool `json:",omitzero"`
	Bare   Bare `json:",omitzero"`

	// PullTimeout limits each pull, with all its attempts.
	PullTimeout  time.Duration
	PullAttempts int
	// PullParallel is how many images are fetched at once. PullMaxSize limits each image,
	// in bytes. 0 means no limit.
	PullParallel int   `json:",omitempty"`
	PullMaxSize  int64 `json:",omitempty"`
	// Notes and Warnings are lines for the job log.
	Notes    []string `json:",omitempty"`
	Warnings []string
}

// Claim says who owns a sandbox, and until when.
type Claim struct {
	Job, Owner, Scope string
	// Inherits is another scope, whose data root may be copied for the first data root of
	// this scope; empty for none.
	Inherits string `json:",omitempty"`
	// Instance, Project and Protection are the parts of the scope, for policies. Instance
	// is the host of the GitLab.
	Instance   string `json:",omitempty"`
	Project    string
	Protection Protection
	Deadline   time.Time
	// TimesOut is when the job has used all of its own time: the deadline without the
	// grace.
	TimesOut time.Time `json:",omitzero"`
	About    About     `json:",omitzero"`
}

// About is what a person knows a job by. The pipeline has chosen ref and stage.
type About struct {
	// URL is the job's page, without a user; empty if it is not known.
	URL string `json:",omitempty"`
	// Ref is the branch or tag, and Stage the pipeline's.
	Ref   string `json:",omitempty"`
	Stage string `json:",omitempty"`
}

// Network describes the sandbox's own bridge.
type Network struct {
	Pool       netip.Prefix
	SubnetBits int
	// Avoid are ranges that no subnet of a sandbox may overlap.
	Avoid []netip.Prefix
	MTU   int
	// Pool6 contains an IPv6 subnet for each subnet of the pool. The zero value means no
	// IPv6.
	Pool6 netip.Prefix
}

// Container is the part that all containers of a plan have in common.
type Container struct {
	Role  Role
	Image ImageRef
	// Entrypoint and Command replace the image's own; nil keeps the image's.
	Entrypoint, Command []string
	User                string
	// Environment holds KEY=VALUE entries; the last of duplicates wins.
	Environment []string
	Hostname    string
	// OwnHostname is the host name from the settings. If empty, the host name is made from
	// the sandbox's id.
	OwnHostname string `json:",omitempty"`
	// Aliases are the container's names in the sandbox's network.
	Aliases    []string
	ExtraHosts []string
	// DNS are the servers that Docker's resolver asks for this container. DNSSearch are the
	// domains for short names. Empty lists mean the engine's own.
	DNS       []netip.Addr `json:",omitempty"`
	DNSSearch []string     `json:",omitempty"`
	// IP is the container's address in the sandbox. For the zero value the engine chooses.
	IP netip.Addr `json:",omitzero"`
	// IP6 is the container's IPv6 address, likewise.
	IP6 netip.Addr `json:",omitzero"`
	// Joins is the name or id of a container whose network this container shares; empty for
	// a network of its own.
	Joins string `json:",omitempty"`
	// BuildsPath is where the builds volume is mounted.
	BuildsPath string
	// CachePath is where the cache of the claim's scope is mounted; empty without a cache.
	// CacheEnds replaces this cache by a volume that goes with the sandbox.
	CachePath string
	CacheEnds bool `json:",omitempty"`
	// CachePaths are further cached paths, each in its own volume.
	CachePaths []string `json:",omitempty"`
	// CertsPath is where the volume with the client's certificates is mounted; empty
	// without certificates.
	CertsPath string `json:",omitempty"`
	// CertDirs are further directories for the client's certificates, without a mount.
	CertDirs []string `json:",omitempty"`
	// HostFiles replace files of the image.
	HostFiles []HostFile
	// DataPath is where the data root is mounted; empty without a data root.
	DataPath string
	// DataVolume is a cached data root; empty for a data root that goes with the sandbox.
	DataVolume string `json:",omitempty"`
	// DataSize limits, in bytes, a data root in memory, which ends with its container. It
	// is 0 for a data root in a volume. DataFile lets the runtime keep these data in a file
	// of the volume; nothing is left afterwards.
	DataSize int64 `json:",omitempty"`
	DataFile bool  `json:",omitempty"`
	// SeedVolume is mounted read-only at SeedPath; empty without a seed.
	SeedVolume string `json:",omitempty"`
	Privileged bool
	// Rights are rights between an ordinary and a privileged container's.
	Rights Rights `json:",omitzero"`
	// Extras are further things that the settings give to an ordinary container.
	Extras Extras `json:",omitzero"`
	// Stdin keeps a stdin open for a single attached client. Serves keeps it open for
	// several clients in turn.
	Stdin  bool
	Serves bool `json:",omitempty"`
	// Init starts the engine's init process first.
	Init   bool   `json:",omitempty"`
	Limits Limits `json:",omitzero"`
}

// InMemory tells whether the data root is in memory, without a volume.
func (c Container) InMemory() bool { return c.DataSize > 0 && !c.DataFile }

// Sidecar describes the container with the inner daemon.
type Sidecar struct {
	Container
	// Arguments are arguments for dockerd. Fit puts them before the arguments of the
	// service's command or, without a command, of the image's.
	Arguments []string `json:",omitempty"`
	// TLS is nil if the inner daemon listens in plaintext.
	TLS *TLS
	// Port is the inner daemon's port.
	Port int
	// StorageDriver is the pipeline's DOCKER_DRIVER, if any.
	StorageDriver string
	// Layers lets the sidecar have a data root that is cached for the claim's scope.
	// DataKind is a hash by which fitting data roots are found. Fit sets it.
	Layers   bool   `json:",omitempty"`
	DataKind string `json:",omitempty"`
	// SeedImages are the images of a new data root. Seed is a hash by which fitting seeds
	// are found; empty if no seed may be used. Fit sets Seed.
	SeedImages []string `json:",omitempty"`
	Seed       string   `json:",omitempty"`
	// DaemonConfig are defaults for the image's own daemon.json. Until Fit they may contain
	// keys that the image's dockerd does not know.
	DaemonConfig map[string]any
	// Relay says that the sidecar cannot ask Docker's resolver. A container of the sandbox,
	// the relay, does so instead.
	Relay bool `json:",omitempty"`
	// Mirror is nil without a mirror.
	Mirror *MirrorAccess `json:",omitempty"`
	// RegistryCAs are PEM certificates by registry host and port.
	RegistryCAs map[string][]byte
	// Account is nil if the inner daemon runs as root.
	Account *Account `json:",omitempty"`
	// FastBoot starts containerd before dockerd if the image allows this.
	FastBoot     bool
	ReadyTimeout time.Duration
	// Queues says that only dockerd opens the port, and soon before the daemon answers. Fit
	// sets it; see the method queues.
	Queues bool `json:",omitempty"`
	// Given is the pipeline's part of the sidecar. It decides whose fault a failed boot is.
	// It does not change the sandbox.
	Given Given `json:"-"`
}

// TLS describes the certificates of a sandbox.
type TLS struct {
	// Names are the host names in the server's certificate. Addresses are the pipeline's
	// addresses in the certificate, besides the sidecar's own.
	Names     []string
	Addresses []netip.Addr `json:",omitempty"`
	// RSA says that the client's key is RSA; otherwise it is ECDSA.
	RSA bool `json:",omitempty"`
	// Lifetime is how long the certificates are valid.
	Lifetime time.Duration
}

// JobContainer is the unprivileged container for the job's scripts.
type JobContainer struct {
	Container
	// RegistryCAs are PEM certificates by registry host and port.
	RegistryCAs map[string][]byte
	// Direct is a list of hosts that the job's scripts must append to the NO_PROXY that
	// they export; empty if they export none.
	Direct string
	// Early starts the container while the inner daemon boots.
	Early bool
}

// Build makes the plan of a job. The error is a job fault if the pipeline asks for
// something that the settings forbid.
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
			TimesOut: facts.Started.Add(job.Timeout).UTC().Truncate(time.Second), About: job.About,
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
		if c.Role != RoleSidecar { // the sidecar must not depend on the job's scope
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

// Words splits a list of words that GitLab lets people separate by spaces or commas.
func Words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
}
