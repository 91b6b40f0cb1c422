package config

// DefaultPath is the place of the settings when no file is named. A missing file there is
// no fault: the defaults serve.
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
	// Service are services of every job besides its own.
	Service []Service `toml:"service"`
	// Policies are tried in order. The first policy that matches a job changes the settings
	// for it.
	Policies []Policy `toml:"policy"`
}

// Engine names the address of the runner host's Docker Engine.
type Engine struct {
	// Host is a Docker host URL; empty means DOCKER_HOST or the local socket.
	Host string `toml:"host"`
}

// Sidecar is about the container with the job's own Docker daemon.
type Sidecar struct {
	// Image is the sidecar's image for a job without a dind service.
	Image string `toml:"image"`
	// AllowedImages are doublestar patterns over normalised references. Only an image that
	// matches runs as the sidecar, with its privilege.
	AllowedImages []string `toml:"allowed_images"`
	// Privilege is one of Privileges; Runtime is the engine's OCI runtime for
	// PrivilegeRuntime and PrivilegeGVisor. See RuntimeOf.
	Privilege string `toml:"privilege"`
	Runtime   string `toml:"runtime"`
	// RootlessVariants are doublestar patterns over names of repositories without a tag.
	// With PrivilegeRootless, rootless images replace the dind images of these
	// repositories.
	RootlessVariants []string `toml:"rootless_variants"`
	// Arguments are further arguments of dockerd, before those of the job's service.
	Arguments []string `toml:"arguments"`
	// Commands is CommandsAny or CommandsFlags: the commands that a dind service may have.
	Commands string `toml:"commands"`
	// RegistryMirrors are URLs of mirrors of the Docker Hub, tried in order.
	RegistryMirrors []string `toml:"registry_mirrors"`
	// Plaintext is PlaintextWarn or PlaintextForbid. The choice is for jobs with a daemon
	// that would listen without TLS.
	Plaintext string `toml:"plaintext"`
	// ClientKey is one of ClientKeys: the type of the clients' TLS key.
	ClientKey string `toml:"client_key"`
	// FastBoot starts containerd before dockerd in images with the official entrypoint.
	// This saves dockerd a second of waiting.
	FastBoot bool `toml:"fast_boot"`
	// ReadyTimeout bounds the wait for the inner daemon, from its start.
	ReadyTimeout Duration `toml:"ready_timeout"`
}

// The values of sidecar.commands.
const (
	// CommandsAny allows any command and entrypoint.
	CommandsAny = "any"
	// CommandsFlags allows dockerd's flags alone.
	CommandsFlags = "flags"
)

// Job is about the container that runs the job's script.
type Job struct {
	// Image is the image of a job that declares none.
	Image string `toml:"image"`
	// AllowedImages are doublestar patterns over normalised references; an empty list
	// allows all.
	AllowedImages []string `toml:"allowed_images"`
	// StartEarly are doublestar patterns over normalised references. The containers of
	// matching images start while the inner daemon boots.
	StartEarly []string `toml:"start_early"`
	Container
	// Hostname is the container's; empty means a name with the sandbox's id.
	Hostname string `toml:"hostname"`
	// MACAddress is the address of the container's interface; empty lets the engine choose.
	MACAddress string `toml:"mac_address"`
	// User runs the script, against the pipeline's choice; empty leaves the choice to
	// pipelines.
	User string `toml:"user"`
	// AllowedUsers are the users that a pipeline may name. An empty list allows User alone
	// or, without User, all.
	AllowedUsers []string `toml:"allowed_users"`
	// GroupAdd are further groups of the user in the container.
	GroupAdd []string `toml:"group_add"`
	// OOMScoreAdjust, from 0 to 1000, makes the kernel end this container before others.
	OOMScoreAdjust int `toml:"oom_score_adjust"`
	// Only a policy sets Rights.
	Rights
}

// Services is about a job's services except the dind service.
type Services struct {
	// AllowedImages are doublestar patterns over normalised references; an empty list
	// allows all.
	AllowedImages []string `toml:"allowed_images"`
	// ReadyTimeout bounds the wait for each service, from its start; 0 means no wait.
	ReadyTimeout Duration `toml:"ready_timeout"`
	// Max is the largest number of a job's services, its dind service among them; 0 means
	// no bound.
	Max int `toml:"max"`
	// Required ends a job with a service that is not ready.
	Required bool `toml:"required"`
	Container
	// Only a policy sets ServiceRights.
	ServiceRights
}

// Service is a service of every job. Its keys are those of [[runners.docker.services]].
type Service struct {
	// Name is the service's image.
	Name string `toml:"name"`
	// Alias holds further names, parted by spaces or commas.
	Alias string `toml:"alias"`
	// Entrypoint and Command replace the image's own; an empty list keeps the image's.
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
	// RunnerBinary is the path of a gitlab-runner on the host of the hooks. The helper uses
	// this program instead of the image's; empty means the image's.
	RunnerBinary string `toml:"runner_binary"`
}

// Pull is about fetching images to the engine.
type Pull struct {
	// Policy holds "always", "if-not-present" or "never", tried in order. They are for a
	// pipeline's images without a policy.
	Policy []string `toml:"policy"`
	// AllowedPolicies are the policies that a pipeline may name. An empty list allows those
	// of Policy.
	AllowedPolicies []string `toml:"allowed_policies"`
	// Attempts is the number of tries of a pull when the network fails.
	Attempts int `toml:"attempts"`
	// CredentialHelpers are docker-credential-NAME programs of this host. A job's
	// DOCKER_AUTH_CONFIG may name them.
	CredentialHelpers []string `toml:"credential_helpers"`
	// Parallel is the number of images of one job to fetch at once.
	Parallel int `toml:"parallel"`
	// MaxSize bounds an image for a job, in bytes as the registry sends them; 0 means no
	// bound.
	MaxSize Size `toml:"max_size"`
	// Timeout bounds one pull.
	Timeout Duration `toml:"timeout"`
	// Prepull are further images for `prepull`.
	Prepull []string `toml:"prepull"`
}

// Proxy holds the proxies for sandboxes; empty means a direct way.
type Proxy struct {
	// HTTP and HTTPS are URLs, perhaps with a password.
	HTTP  string `toml:"http"`
	HTTPS string `toml:"https"`
	// NoProxy are hosts, domains and address ranges to reach directly, parted by commas.
	NoProxy string `toml:"no_proxy"`
}

// Cleanup is about the end of a sandbox.
type Cleanup struct {
	// Grace is added to a job's timeout. After both, a sweep may remove the job's sandbox
	// unless its Runner is proved alive.
	Grace Duration `toml:"grace"`
	// Timeout bounds a cleanup hook.
	Timeout Duration `toml:"timeout"`
	// HoldFailed is the time that a failed job's sandbox stays for a look inside; 0 means
	// not at all.
	HoldFailed Duration `toml:"hold_failed"`
}

// Bundles is about the files on failed jobs for `explain`.
type Bundles struct {
	// Dir is an absolute path; empty means the state directory of the Runner's
	// user.
	Dir string `toml:"dir"`
	// MaxAge is the age at which a bundle is removed; 0 means no bundles.
	MaxAge Duration `toml:"max_age"`
}

// Registry holds the inner daemon's settings for a registry.
type Registry struct {
	// CAFile is a PEM file on the runner host.
	CAFile string `toml:"ca_file"`
	// Insecure lets the inner daemon use the registry without TLS, or without a check of
	// its certificate.
	Insecure bool `toml:"insecure"`
}

// Policy changes settings for matching jobs. Settings that the policy leaves out stay.
type Policy struct {
	// Name is the policy's name in messages.
	Name string `toml:"name"`
	// Instances are hosts or ids of GitLab instances; an empty list matches all.
	Instances []string `toml:"instances"`
	// Projects are doublestar patterns over project paths; an empty list matches all.
	Projects []string `toml:"projects"`
	// Protected matches protected refs (true) or unprotected refs (false); nil matches
	// both.
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
