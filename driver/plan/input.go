package plan

import (
	"net/netip"
	"time"
)

// Job is the input of a plan that concerns the job. Identity and policy come only from the
// payload's structured fields; Variables belong to the job itself.
type Job struct {
	// Key is the GitLab instance and the job's id. It identifies the job on an engine
	// shared by several GitLab instances.
	Key string
	// Scope identifies the owner of the caches and layers that the job may use.
	Scope string
	// Inherits is the scope of the project's protected refs, for jobs of other refs.
	Inherits string
	// Lasting is false if no later job can have this scope.
	Lasting bool
	// Project is the project's path, and Protection the ref's protection.
	Project    string
	Protection Protection
	// Instances are the names by which an admin knows the job's GitLab. They are its host,
	// with a port unless that is the usual one, and its id. The first name is for people.
	Instances []string
	// Timeout is the job's own timeout, as sent by GitLab.
	Timeout time.Duration
	// About is what a person knows the job by. Nothing is decided by it.
	About About
	// Image is the zero value if the pipeline declares no image.
	Image    Image
	Services []Service
	// Variables are the job's own variables, in the Runner's order.
	Variables []Variable
	// Credentials are in the order of their precedence.
	Credentials []Credential
	// Cached says that the pipeline declares a cache for this job.
	Cached bool
	// Init starts an init process in the job container and in services.
	Init bool
	// BuildsDir, CacheDir and ProjectDir are paths in the job's containers.
	BuildsDir, CacheDir, ProjectDir string
	// RunnerVersion chooses the helper image, e.g. "18.6.6".
	RunnerVersion string
}

// Image is a pipeline's declaration of an image.
type Image struct {
	Name string
	// Entrypoint is nil to keep the image's own.
	Entrypoint []string
	// PullPolicies are tried in order. An empty list means the settings' policies.
	PullPolicies []string
	Platform     string
	User         string
}

// Service is an image with the names by which the job reaches it.
type Service struct {
	Image
	Aliases   []string
	Command   []string
	Variables []Variable
	// Own says that the settings declare the service, not the pipeline.
	Own bool
}

// Variable is a job variable. The value of a File variable is a path.
type Variable struct {
	Key, Value string
	Public     bool
}

// Credential lets the engine pull from a registry.
type Credential struct {
	// Host is a registry's host with an optional port and path, in any usual form of such
	// names.
	Host     string
	Username string
	Password Secret
	// IdentityToken replaces Username and Password if a registry issued a token.
	IdentityToken Secret
}

// Facts are the driver's knowledge about host and engine.
type Facts struct {
	// Sandbox is a fresh random id, 12 hex digits.
	Sandbox string
	// Owner identifies the Runner's process.
	Owner string
	// Started is when the Runner picked the job up.
	Started time.Time
	// Used are the networks and routes of host and engine.
	Used []netip.Prefix
	// DNS are servers that containers can reach without Docker's resolver.
	DNS []netip.Addr
	// MTU is the smallest MTU on the way of packets from containers, as far as this host
	// knows.
	MTU int
	// Arch is the engine's architecture as in the tags of GitLab's helper images.
	Arch string
	// RegistryCAs are PEM certificates by registry host and port.
	RegistryCAs map[string][]byte
	// Mirror is nil without a mirror.
	Mirror *MirrorAccess
	// DataRoot is the folder of the engine's data; empty for an engine on another host.
	DataRoot string
	// Version is this program's version. A job takes no waiting sandbox of another version.
	Version string
}

// Secret is a value that no message and no log may show. The value is behind a pointer:
// package fmt does not follow a pointer to a string. Methods alone would not hide the
// value, because fmt skips them where no verb fits, such as for a plan under %s.
type Secret struct{ value *string }

// NewSecret hides a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value, for the use that the secret is meant for.
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
