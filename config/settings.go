package config

import (
	"time"
)

// DefaultPath is where the settings are looked for when no file is named. A
// missing file there is no fault: the defaults serve.
const DefaultPath = "/etc/gitlab-runner/dind.toml"

// Settings is dind.toml. Every field has a default, so no file is needed.
type Settings struct {
	Engine    Engine              `toml:"engine"`
	Sidecar   Sidecar             `toml:"sidecar"`
	GVisor    GVisor              `toml:"gvisor"`
	Job       Job                 `toml:"job"`
	Services  Services            `toml:"services"`
	Helper    Helper              `toml:"helper"`
	Cache     Cache               `toml:"cache"`
	Pool      Pool                `toml:"pool"`
	Limits    Limits              `toml:"limits"`
	Pull      Pull                `toml:"pull"`
	Mirror    Mirror              `toml:"mirror"`
	Network   Network             `toml:"network"`
	Proxy     Proxy               `toml:"proxy"`
	Admission Admission           `toml:"admission"`
	Cleanup   Cleanup             `toml:"cleanup"`
	Bundles   Bundles             `toml:"bundles"`
	Log       Log                 `toml:"log"`
	Trace     Trace               `toml:"trace"`
	Registry  map[string]Registry `toml:"registry"`
	// Service are services that every job has besides its own.
	Service []Service `toml:"service"`
	// Policies are tried in order; the first that matches a job changes the
	// settings for it.
	Policies []Policy `toml:"policy"`
}

// Engine says where the Docker Engine of the runner host listens.
type Engine struct {
	// Host is a Docker host URL; empty means DOCKER_HOST or the local socket.
	Host string `toml:"host"`
}

// Sidecar is about the container with the job's own Docker daemon.
type Sidecar struct {
	// Image is used when a job declares no dind service.
	Image string `toml:"image"`
	// AllowedImages are doublestar patterns over normalised references; only
	// an image that matches one runs privileged.
	AllowedImages []string `toml:"allowed_images"`
	// Privilege is one of Privileges; Runtime is the engine's OCI runtime for
	// PrivilegeRuntime and PrivilegeGVisor. See RuntimeOf.
	Privilege string `toml:"privilege"`
	Runtime   string `toml:"runtime"`
	// RootlessVariants are doublestar patterns over names of repositories without a
	// tag. For PrivilegeRootless their dind images are replaced by rootless ones.
	RootlessVariants []string `toml:"rootless_variants"`
	// Arguments are appended to dockerd's, before those of the job's service.
	Arguments []string `toml:"arguments"`
	// Commands says what a dind service's command may be: CommandsAny or
	// CommandsFlags.
	Commands string `toml:"commands"`
	// RegistryMirrors are URLs of mirrors of the Docker Hub, tried in order.
	RegistryMirrors []string `toml:"registry_mirrors"`
	// Plaintext is "warn" or "forbid": what becomes of a job whose daemon would
	// listen without TLS.
	Plaintext string `toml:"plaintext"`
	// ClientKey is one of ClientKeys: the type of the key with which clients show
	// who they are.
	ClientKey string `toml:"client_key"`
	// FastBoot starts containerd before dockerd in images whose entrypoint is
	// the official one, which saves dockerd a second of waiting.
	FastBoot bool `toml:"fast_boot"`
	// ReadyTimeout bounds the wait for the inner daemon, from its start.
	ReadyTimeout Duration `toml:"ready_timeout"`
}

// What sidecar.commands may be.
const (
	// CommandsAny allows any command and entrypoint.
	CommandsAny = "any"
	// CommandsFlags allows dockerd's flags alone.
	CommandsFlags = "flags"
)

// Job is about the container that runs the job's script.
type Job struct {
	// Image is used when a job declares none.
	Image string `toml:"image"`
	// AllowedImages are doublestar patterns over normalised references; none
	// means all.
	AllowedImages []string `toml:"allowed_images"`
	// StartEarly are doublestar patterns over normalised references: images
	// whose container starts while the inner daemon boots.
	StartEarly []string `toml:"start_early"`
	Container
	// Hostname is the container's; empty means one that names its sandbox.
	Hostname string `toml:"hostname"`
	// MACAddress is that of its interface; empty lets the engine choose.
	MACAddress string `toml:"mac_address"`
	// User runs the script, whatever pipelines say; empty leaves it to them.
	User string `toml:"user"`
	// AllowedUsers are those that a pipeline may name; none means User alone or,
	// without one, all.
	AllowedUsers []string `toml:"allowed_users"`
	// GroupAdd are further groups of that user.
	GroupAdd []string `toml:"group_add"`
	// OOMScoreAdjust makes the kernel end the container before others, from 0 to 1000.
	OOMScoreAdjust int `toml:"oom_score_adjust"`
	// Rights are empty but under a policy.
	Rights
}

// Services is about a job's services but the dind service.
type Services struct {
	// AllowedImages are doublestar patterns over normalised references; none
	// means all.
	AllowedImages []string `toml:"allowed_images"`
	// ReadyTimeout bounds the wait for each service, from its start; 0 means
	// that nobody waits.
	ReadyTimeout Duration `toml:"ready_timeout"`
	// Max is how many a job may have, its dind service among them; 0 means that
	// there is no bound.
	Max int `toml:"max"`
	// Required ends a job whose services are not ready.
	Required bool `toml:"required"`
	Container
	// ServiceRights are empty but under a policy.
	ServiceRights
}

// Service is one that every job has. Its keys are those of [[runners.docker.services]].
type Service struct {
	// Name is its image.
	Name string `toml:"name"`
	// Alias are further names, by spaces or commas.
	Alias string `toml:"alias"`
	// Entrypoint and Command stand in the place of the image's; none keeps those.
	Entrypoint []string `toml:"entrypoint"`
	Command    []string `toml:"command"`
	// Environment holds KEY=VALUE entries.
	Environment []string `toml:"environment"`
}

// Helper is about the container that clones, caches and handles artifacts.
type Helper struct {
	// Image may contain {version} and {arch}: the Runner's version and the
	// engine's architecture as the official helper images name them.
	Image string `toml:"image"`
	// RunnerBinary is the path of a gitlab-runner on the host of the hooks,
	// which the helper uses instead of the image's; empty for the image's.
	RunnerBinary string `toml:"runner_binary"`
}

// Pull is about fetching images to the engine.
type Pull struct {
	// Policy holds "always", "if-not-present" or "never", tried in order, for
	// images that a pipeline names without a policy.
	Policy []string `toml:"policy"`
	// AllowedPolicies are those that a pipeline may name; none means those of
	// Policy.
	AllowedPolicies []string `toml:"allowed_policies"`
	// Attempts is how often a pull is tried when the network fails.
	Attempts int `toml:"attempts"`
	// CredentialHelpers are the docker-credential-NAME programs of this host
	// that a job's DOCKER_AUTH_CONFIG may name.
	CredentialHelpers []string `toml:"credential_helpers"`
	// Parallel is how many images of one job are fetched at once.
	Parallel int `toml:"parallel"`
	// MaxSize bounds an image that a job has fetched, in bytes as the registry
	// sends them; 0 means that there is no bound.
	MaxSize Size `toml:"max_size"`
	// Timeout bounds one pull.
	Timeout Duration `toml:"timeout"`
	// Prepull are further images that `prepull` fetches.
	Prepull []string `toml:"prepull"`
}

// Proxy is how sandboxes reach the world; empty means directly.
type Proxy struct {
	// HTTP and HTTPS are URLs, which may hold a password.
	HTTP  string `toml:"http"`
	HTTPS string `toml:"https"`
	// NoProxy are hosts, domains and address ranges reached directly, by commas.
	NoProxy string `toml:"no_proxy"`
}

// Cleanup is about the end of a sandbox.
type Cleanup struct {
	// Grace is added to a job's timeout: past both, its sandbox may be swept
	// if its Runner cannot be proved alive.
	Grace Duration `toml:"grace"`
	// Timeout bounds a cleanup hook.
	Timeout Duration `toml:"timeout"`
	// HoldFailed is how long the sandbox of a failed job is held for a look inside;
	// 0 means not at all.
	HoldFailed Duration `toml:"hold_failed"`
}

// Bundles are what `explain` reads of failed jobs.
type Bundles struct {
	// Dir is an absolute path; empty means the state directory of the Runner's
	// user.
	Dir string `toml:"dir"`
	// MaxAge is when one is removed; 0 means that none are written.
	MaxAge Duration `toml:"max_age"`
}

// Registry is what the inner daemon must know of one registry.
type Registry struct {
	// CAFile is a PEM file on the runner host.
	CAFile string `toml:"ca_file"`
	// Insecure lets the inner daemon use it without TLS, or without a look at
	// its certificate.
	Insecure bool `toml:"insecure"`
}

// Policy changes settings for the jobs that it matches. What it does not set
// stays as it is.
type Policy struct {
	// Name is for messages.
	Name string `toml:"name"`
	// Instances are hosts or ids of GitLab instances; none means all.
	Instances []string `toml:"instances"`
	// Projects are doublestar patterns over project paths; none means all.
	Projects []string `toml:"projects"`
	// Protected matches protected or unprotected refs only; nil means both.
	Protected *bool `toml:"protected"`

	Sidecar  PolicySidecar  `toml:"sidecar"`
	Job      PolicyJob      `toml:"job"`
	Services PolicyServices `toml:"services"`
	Cache    PolicyCache    `toml:"cache"`
	Limits   PolicyLimits   `toml:"limits"`
}

// PolicySidecar changes the settings of the same names.
type PolicySidecar struct {
	Image         string   `toml:"image"`
	AllowedImages []string `toml:"allowed_images"`
	Privilege     string   `toml:"privilege"`
	Runtime       string   `toml:"runtime"`
}

// PolicyJob changes the settings of the same names.
type PolicyJob struct {
	Image         string   `toml:"image"`
	AllowedImages []string `toml:"allowed_images"`
	Volumes       []string `toml:"volumes"`
	Rights
}

// PolicyServices changes the settings of the same names.
type PolicyServices struct {
	AllowedImages []string `toml:"allowed_images"`
	Volumes       []string `toml:"volumes"`
	ServiceRights
}

// Duration is a time.Duration that is written as "90s" or "1h30m" in TOML.
type Duration time.Duration

// UnmarshalText parses Go's duration syntax.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// MarshalText writes Go's duration syntax.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// Std returns the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }
