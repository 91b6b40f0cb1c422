package config

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/distribution/reference"
)

// Pull policies, as GitLab Runner names them.
const (
	PullAlways       = "always"
	PullIfNotPresent = "if-not-present"
	PullNever        = "never"
)

// PullPolicies are the valid values of pull.policy.
var PullPolicies = []string{PullAlways, PullIfNotPresent, PullNever}

// The values of sidecar.plaintext decide about jobs with a daemon without TLS.
const (
	PlaintextWarn   = "warn"
	PlaintextForbid = "forbid"
)

// The values of sidecar.client_key.
const (
	ClientKeyECDSA = "ecdsa"
	ClientKeyRSA   = "rsa"
)

// ClientKeys are the valid values of sidecar.client_key.
var ClientKeys = []string{ClientKeyECDSA, ClientKeyRSA}

// keyFault is a fault of one key's value.
type keyFault struct{ key, what string }

// faults are the faults of one file.
type faults []keyFault

func (f *faults) add(key, format string, args ...any) {
	*f = append(*f, keyFault{key, fmt.Sprintf(format, args...)})
}

func (f *faults) duration(key string, d Duration, least, most time.Duration) {
	if d.Std() < least || d.Std() > most {
		f.add(key, "must be from %s to %s", Duration(least), Duration(most))
	}
}

func (f *faults) number(key string, n, least, most int) {
	if n < least || n > most {
		f.add(key, "must be from %d to %d", least, most)
	}
}

func (f *faults) image(key, ref string) {
	if _, err := reference.ParseNormalizedNamed(ref); err != nil {
		f.add(key, "is no image reference: %q", ref)
	}
}

// validate returns every fault of s, so the admin can mend them all at once.
func validate(s Settings) []keyFault {
	f := &faults{}
	validateEngine(s.Engine, f)
	validateSidecar(s.Sidecar, f)
	validateContainers(s, f)
	validatePool(s.Pool, f)
	validatePull(s.Pull, f)
	validateMirror(s.Mirror, f)
	validateNetwork(s.Network, f)
	validateProxy(s.Proxy, f)
	validateCache("cache", s.Cache, f)
	validateLimits("limits", s.Limits, f)
	validateGVisor(s.GVisor, f)
	if s.Sidecar.Privilege == PrivilegeGVisor {
		validateRoomOfGVisor("limits.sidecar.memory", s.GVisor, s.Limits.Sidecar.Memory, f)
	}
	validateAdmission(s.Admission, f)
	validateLog(s.Log, f)
	validateTrace(s.Trace, f)
	validateCleanup(s.Cleanup, f)
	validateBundles(s.Bundles, f)
	for _, host := range slices.Sorted(maps.Keys(s.Registry)) {
		validateRegistry(host, s.Registry[host], f)
	}
	for i, svc := range s.Service {
		validateService(fmt.Sprintf("service.%d", i+1), svc, f)
	}
	for i, p := range s.Policies {
		validatePolicy(policyKey(i), p, s, f)
	}
	validateNesting(s, f)
	return *f
}

// policyKey is the key of policy number i, counted from 0.
func policyKey(i int) string { return fmt.Sprintf("policy.%d", i+1) }

func validateEngine(e Engine, f *faults) {
	if e.Host == "" {
		return
	}
	u, err := url.Parse(e.Host)
	if err != nil || !slices.Contains([]string{"unix", "tcp", "http", "https"}, u.Scheme) {
		f.add("engine.host", "must start with unix:// or tcp://")
	}
}

func validateSidecar(s Sidecar, f *faults) {
	f.image("sidecar.image", s.Image)
	validateImagePatterns("sidecar.allowed_images", s.AllowedImages, f)
	validatePrivilege("sidecar", s.Image, s.Privilege, s.Runtime, f)
	for _, p := range s.RootlessVariants {
		if p == "" || !doublestar.ValidatePattern(p) || strings.Contains(p, "@") || strings.Contains(path.Base(p), ":") {
			f.add("sidecar.rootless_variants", `must be patterns like "registry.example.com/**/docker", without tag and digest: %q`, p)
		}
	}
	for _, a := range s.Arguments {
		if !strings.HasPrefix(a, "-") {
			f.add("sidecar.arguments", "must start with a dash: %q", a)
		}
	}
	if c := s.Commands; c != CommandsAny && c != CommandsFlags {
		f.add("sidecar.commands", "must be %q or %q, not %q", CommandsAny, CommandsFlags, c)
	}
	for _, m := range s.RegistryMirrors {
		u, err := url.Parse(m)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			f.add("sidecar.registry_mirrors", `must be URLs like "https://mirror.example.com", without user and query`)
		}
	}
	if k := s.ClientKey; !slices.Contains(ClientKeys, k) {
		f.add("sidecar.client_key", "must be %q or %q, not %q", ClientKeyECDSA, ClientKeyRSA, k)
	}
	if p := s.Plaintext; p != PlaintextWarn && p != PlaintextForbid {
		f.add("sidecar.plaintext", "must be %q or %q, not %q", PlaintextWarn, PlaintextForbid, p)
	}
	f.duration("sidecar.ready_timeout", s.ReadyTimeout, time.Second, time.Hour)
}

// validateContainers checks the containers beside the sidecar: job, services and helper.
func validateContainers(s Settings, f *faults) {
	f.image("job.image", s.Job.Image)
	validateImagePatterns("job.allowed_images", s.Job.AllowedImages, f)
	validateImagePatterns("job.start_early", s.Job.StartEarly, f)
	validateImagePatterns("services.allowed_images", s.Services.AllowedImages, f)
	f.duration("services.ready_timeout", s.Services.ReadyTimeout, 0, time.Hour)
	f.number("services.max", s.Services.Max, 0, 1000)
	if n, most := len(s.Service), s.Services.Max; most > 0 && n > most {
		f.add("services.max", "is less than the %d services that every job has by [[service]]", n)
	}
	validateContainer("job", s.Job.Container, s.Cache.Paths, f)
	validateContainer("services", s.Services.Container, s.Cache.Paths, f)
	validateJobOptions(s.Job, f)
	validateWhoHasRights("job", s.Job.Rights.Names(), nil, f)
	validateWhoHasRights("services", s.Services.ServiceRights.Names(), nil, f)
	f.image("helper.image", strings.NewReplacer("{version}", "0", "{arch}", "x").Replace(s.Helper.Image))
	if b := s.Helper.RunnerBinary; b != "" && (!filepath.IsAbs(b) || filepath.Clean(b) != b) {
		f.add("helper.runner_binary", "must be an absolute path: %q", b)
	}
}

// validateService checks a service of every job. The messages show no value of its
// environment: a value may be a password.
func validateService(key string, s Service, f *faults) {
	f.image(key+".name", s.Name)
	for _, name := range strings.FieldsFunc(s.Alias, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !hostName.MatchString(name) {
			f.add(key+".alias", "is no name of a host: %q", name)
		}
	}
	for _, e := range s.Environment {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			f.add(key+".environment", "must hold KEY=VALUE entries")
		}
	}
}

func validatePool(p Pool, f *faults) {
	f.number("pool.size", p.Size, 0, 256)
	f.number("pool.bare", p.Bare, 0, 64)
	f.duration("pool.max_age", p.MaxAge, time.Minute, 7*24*time.Hour)
	f.duration("pool.job_timeout", p.JobTimeout, time.Minute, 30*24*time.Hour)
}

func validatePull(p Pull, f *faults) {
	if len(p.Policy) == 0 {
		f.add("pull.policy", "must name at least one of %s", strings.Join(PullPolicies, ", "))
	}
	policies := func(key string, list []string) {
		for _, p := range list {
			if !slices.Contains(PullPolicies, p) {
				f.add(key, "must be one of %s, not %q", strings.Join(PullPolicies, ", "), p)
			}
		}
	}
	policies("pull.policy", p.Policy)
	policies("pull.allowed_policies", p.AllowedPolicies)
	f.number("pull.attempts", p.Attempts, 1, 10)
	for _, h := range p.CredentialHelpers {
		if h == "" || filepath.Base(h) != h {
			f.add("pull.credential_helpers", "must be the NAME of a docker-credential-NAME program: %q", h)
		}
	}
	f.number("pull.parallel", p.Parallel, 1, 32)
	if p.MaxSize < 0 {
		f.add("pull.max_size", "must not be negative")
	}
	f.duration("pull.timeout", p.Timeout, time.Second, 24*time.Hour)
	for _, i := range p.Prepull {
		f.image("pull.prepull", i)
	}
}

// validateProxy shows no URL in its messages: a URL may hold a password.
func validateProxy(p Proxy, f *faults) {
	address := func(key, text string) {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme == "" || u.Host == "") {
			f.add(key, `must be a URL, like "http://proxy.example.com:3128"`)
		}
	}
	address("proxy.http", p.HTTP)
	address("proxy.https", p.HTTPS)
	if strings.ContainsAny(p.NoProxy, " \t\n") {
		f.add("proxy.no_proxy", "must hold no spaces: its entries stand between commas")
	}
}

func validateCleanup(c Cleanup, f *faults) {
	f.duration("cleanup.grace", c.Grace, 0, 30*24*time.Hour)
	f.duration("cleanup.hold_failed", c.HoldFailed, 0, 7*24*time.Hour)
	f.duration("cleanup.timeout", c.Timeout, time.Second, time.Hour)
}

func validateBundles(b Bundles, f *faults) {
	if b.Dir != "" && !filepath.IsAbs(b.Dir) {
		f.add("bundles.dir", "must be an absolute path: %q", b.Dir)
	}
	f.duration("bundles.max_age", b.MaxAge, 0, 10*365*24*time.Hour)
}

func validateRegistry(host string, r Registry, f *faults) {
	key := dotted([]string{"registry", host})
	if host == "" || strings.ContainsAny(host, "/ \\") || strings.Contains(host, "..") {
		f.add(key, "must be a host with an optional port, as pipelines name it")
	}
	if r.CAFile != "" && !filepath.IsAbs(r.CAFile) {
		f.add(key+".ca_file", "must be an absolute path")
	}
}

// validatePolicy checks the settings that a policy changes. The faults of all other
// settings are reported elsewhere.
func validatePolicy(key string, p Policy, s Settings, f *faults) {
	validateInstances(key+".instances", p.Instances, f)
	for _, pattern := range p.Projects {
		if pattern == "" || !doublestar.ValidatePattern(pattern) {
			f.add(key+".projects", "is no valid pattern: %q", pattern)
		}
	}
	validateImagePatterns(key+".sidecar.allowed_images", p.Sidecar.AllowedImages, f)
	validateImagePatterns(key+".job.allowed_images", p.Job.AllowedImages, f)
	validateImagePatterns(key+".services.allowed_images", p.Services.AllowedImages, f)
	if p.Sidecar.Image != "" {
		f.image(key+".sidecar.image", p.Sidecar.Image)
	}
	sc := p.Sidecar.On(s.Sidecar)
	if p.Sidecar.Privilege != "" || p.Sidecar.Runtime != "" {
		validatePrivilege(key+".sidecar", sc.Image, sc.Privilege, sc.Runtime, f)
	}
	if sc.Privilege == PrivilegeGVisor && (p.Sidecar.Privilege != "" || p.Limits.Sidecar.Memory != nil) {
		validateRoomOfGVisor(key+".limits.sidecar.memory", s.GVisor, p.Limits.On(s.Limits).Sidecar.Memory, f)
	}
	if p.Job.Image != "" {
		f.image(key+".job.image", p.Job.Image)
	}
	validateBinds(key+".job.volumes", p.Job.Volumes, s.Job.Tmpfs, s.Cache.Paths, f)
	validateBinds(key+".services.volumes", p.Services.Volumes, s.Services.Tmpfs, s.Cache.Paths, f)
	validateRights(key+".job", p.Job.Rights, f)
	validateServiceRights(key+".services", p.Services.ServiceRights, f)
	validateWhoHasRights(key+".job", p.Job.Rights.Names(), p.Projects, f)
	validateWhoHasRights(key+".services", p.Services.ServiceRights.Names(), p.Projects, f)
	validateCache(key+".cache", p.Cache.On(Cache{Layers: LayersOff}), f)
	validateLimits(key+".limits", p.Limits.On(Limits{}), f)
}
