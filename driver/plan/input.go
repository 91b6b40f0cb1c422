package plan

import (
	"net/netip"
	"time"
)

// Job is what a plan needs to know of a job. Identity and policy come from the
// payload's structured fields alone; Variables belong to the job itself.
type Job struct {
	// Key identifies the job on an engine that several GitLab instances share:
	// the instance and the job's id.
	Key string
	// Scope identifies whose caches and layers a job may use.
	Scope string
	// Inherits is the scope of the project's protected refs, for a job of any other.
	Inherits string
	// Lasting is false when no later job can have that scope.
	Lasting bool
	// Project is the project's path, and Protection that of the ref.
	Project    string
	Protection Protection
	// Instances are the names by which an admin knows the job's GitLab: its host,
	// with a port that is not the usual one, and its id. The first is for people.
	Instances []string
	// Timeout is the job's own, as GitLab sent it.
	Timeout time.Duration
	// Image is the zero value when the pipeline declares none.
	Image    Image
	Services []Service
	// Variables are the job's own, in the Runner's order.
	Variables []Variable
	// Credentials come in the order in which their sources count.
	Credentials []Credential
	// Cached says that the pipeline has a cache for this job.
	Cached bool
	// Init has an init process in the job container and in services.
	Init bool
	// BuildsDir, CacheDir and ProjectDir are paths in the job's containers.
	BuildsDir, CacheDir, ProjectDir string
	// RunnerVersion chooses the helper image, e.g. "18.6.6".
	RunnerVersion string
}

// Image is what a pipeline says of an image.
type Image struct {
	Name string
	// Entrypoint is nil when the image's own is kept.
	Entrypoint []string
	// PullPolicies are tried in order; none means the settings'.
	PullPolicies []string
	Platform     string
	User         string
}

// Service is an image with a name that the job reaches it by.
type Service struct {
	Image
	Aliases   []string
	Command   []string
	Variables []Variable
	// Own says that the settings name it, and not the pipeline.
	Own bool
}

// Variable is one job variable. A File variable's value is a path.
type Variable struct {
	Key, Value string
	Public     bool
}

// Credential lets the engine pull from a registry.
type Credential struct {
	// Host is a registry's host with an optional port and path, in any of the
	// forms in which registries are named.
	Host     string
	Username string
	Password Secret
	// IdentityToken stands for both where a registry gave one.
	IdentityToken Secret
}

// Facts are what the driver found out about host and engine.
type Facts struct {
	// Sandbox is a fresh random id, 12 hex digits.
	Sandbox string
	// Owner identifies the Runner's process.
	Owner string
	// Started is when the Runner picked the job up.
	Started time.Time
	// Used are the networks and routes of host and engine.
	Used []netip.Prefix
	// DNS are servers that containers without Docker's own resolver can reach.
	DNS []netip.Addr
	// MTU is the smallest that packets from containers meet on this host.
	MTU int
	// Arch is the engine's architecture as GitLab's helper images name it.
	Arch string
	// RegistryCAs are PEM certificates by registry host and port.
	RegistryCAs map[string][]byte
	// Mirror is nil where there is none.
	Mirror *MirrorAccess
	// DataRoot is where the engine keeps its data, if it is on this host.
	DataRoot string
	// Version is this program's: a job takes no sandbox that waits if another
	// version has made it.
	Version string
}

// Secret is a value that no message and no log may show. It is held behind a
// pointer, since package fmt passes over the methods of what it has no verb for,
// such as a plan under %s, but does not follow a pointer to a string.
type Secret struct{ value *string }

// NewSecret hides a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value, for whom it is meant.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String hides the value.
func (Secret) String() string { return "[hidden]" }

// GoString hides the value.
func (Secret) GoString() string { return "[hidden]" }

// MarshalText hides the value.
func (Secret) MarshalText() ([]byte, error) { return []byte("[hidden]"), nil }
