package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
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

// PullPolicies are the values that pull.policy may hold.
var PullPolicies = []string{PullAlways, PullIfNotPresent, PullNever}

// What becomes of a job whose daemon would listen without TLS.
const (
	PlaintextWarn   = "warn"
	PlaintextForbid = "forbid"
)

// keyFault is a value that cannot be right.
type keyFault struct{ key, what string }

// validate returns every fault of s, so that one visit mends them all.
func validate(s Settings) []keyFault {
	var faults []keyFault
	add := func(key, format string, args ...any) {
		faults = append(faults, keyFault{key, fmt.Sprintf(format, args...)})
	}
	duration := func(key string, d Duration, least, most time.Duration) {
		if d.Std() < least || d.Std() > most {
			add(key, "must be from %s to %s", least, most)
		}
	}
	image := func(key, ref string) {
		if _, err := reference.ParseNormalizedNamed(ref); err != nil {
			add(key, "is no image reference: %q", ref)
		}
	}
	patterns := func(key string, list []string) {
		for _, p := range list {
			if p == "" || !doublestar.ValidatePattern(p) {
				add(key, "is no valid pattern: %q", p)
			}
		}
	}
	imagePatterns := func(key string, list []string) { validateImagePatterns(key, list, add) }

	if h := s.Engine.Host; h != "" {
		u, err := url.Parse(h)
		if err != nil || !slices.Contains([]string{"unix", "tcp", "http", "https"}, u.Scheme) {
			add("engine.host", "must start with unix:// or tcp://")
		}
	}
	image("sidecar.image", s.Sidecar.Image)
	imagePatterns("sidecar.allowed_images", s.Sidecar.AllowedImages)
	validatePrivilege("sidecar", s.Sidecar.Image, s.Sidecar.Privilege, s.Sidecar.Runtime, add)
	for _, a := range s.Sidecar.Arguments {
		if !strings.HasPrefix(a, "-") {
			add("sidecar.arguments", "must start with a dash: %q", a)
		}
	}
	if c := s.Sidecar.Commands; c != CommandsAny && c != CommandsFlags {
		add("sidecar.commands", "must be %q or %q, not %q", CommandsAny, CommandsFlags, c)
	}
	for _, m := range s.Sidecar.RegistryMirrors {
		u, err := url.Parse(m)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			add("sidecar.registry_mirrors", `must be URLs like "https://mirror.example.com", without user and query`)
		}
	}
	if p := s.Sidecar.Plaintext; p != PlaintextWarn && p != PlaintextForbid {
		add("sidecar.plaintext", "must be %q or %q, not %q", PlaintextWarn, PlaintextForbid, p)
	}
	duration("sidecar.ready_timeout", s.Sidecar.ReadyTimeout, time.Second, time.Hour)
	image("job.image", s.Job.Image)
	imagePatterns("job.allowed_images", s.Job.AllowedImages)
	imagePatterns("services.allowed_images", s.Services.AllowedImages)
	imagePatterns("job.start_early", s.Job.StartEarly)
	duration("services.ready_timeout", s.Services.ReadyTimeout, 0, time.Hour)
	if s.Services.Max < 0 || s.Services.Max > 1000 {
		add("services.max", "must be from 0 to 1000")
	}
	image("helper.image", strings.NewReplacer("{version}", "0", "{arch}", "x").Replace(s.Helper.Image))
	if b := s.Helper.RunnerBinary; b != "" && (!filepath.IsAbs(b) || filepath.Clean(b) != b) {
		add("helper.runner_binary", "must be an absolute path: %q", b)
	}

	if s.Pool.Size < 0 || s.Pool.Size > 256 {
		add("pool.size", "must be from 0 to 256")
	}
	duration("pool.max_age", s.Pool.MaxAge, time.Minute, 7*24*time.Hour)
	duration("pool.job_timeout", s.Pool.JobTimeout, time.Minute, 30*24*time.Hour)

	if len(s.Pull.Policy) == 0 {
		add("pull.policy", "must name at least one of %s", strings.Join(PullPolicies, ", "))
	}
	for key, list := range map[string][]string{"pull.policy": s.Pull.Policy, "pull.allowed_policies": s.Pull.AllowedPolicies} {
		for _, p := range list {
			if !slices.Contains(PullPolicies, p) {
				add(key, "must be one of %s, not %q", strings.Join(PullPolicies, ", "), p)
			}
		}
	}
	if s.Pull.Attempts < 1 || s.Pull.Attempts > 10 {
		add("pull.attempts", "must be from 1 to 10")
	}
	for _, h := range s.Pull.CredentialHelpers {
		if h == "" || filepath.Base(h) != h {
			add("pull.credential_helpers", "must be the NAME of a docker-credential-NAME program: %q", h)
		}
	}
	if s.Pull.Parallel < 1 || s.Pull.Parallel > 32 {
		add("pull.parallel", "must be from 1 to 32")
	}
	if s.Pull.MaxSize < 0 {
		add("pull.max_size", "must not be negative")
	}
	duration("pull.timeout", s.Pull.Timeout, time.Second, 24*time.Hour)
	for _, i := range s.Pull.Prepull {
		image("pull.prepull", i)
	}
	image("mirror.image", s.Mirror.Image)
	validateMirror(s.Mirror, add)

	validateNetwork(s.Network, add)
	// A proxy's URL may hold a password: it is not shown.
	for key, p := range map[string]string{"proxy.http": s.Proxy.HTTP, "proxy.https": s.Proxy.HTTPS} {
		if u, err := url.Parse(p); p != "" && (err != nil || u.Scheme == "" || u.Host == "") {
			add(key, `must be a URL, like "http://proxy.example.com:3128"`)
		}
	}
	if strings.ContainsAny(s.Proxy.NoProxy, " \t\n") {
		add("proxy.no_proxy", "must hold no spaces: its entries stand between commas")
	}
	validateCache("cache", s.Cache, add)
	validateLimits("limits", s.Limits, add)
	validateAdmission(s.Admission, add)
	validateLog(s.Log, add)
	validateTrace(s.Trace, add)
	duration("cleanup.grace", s.Cleanup.Grace, 0, 30*24*time.Hour)
	duration("cleanup.hold_failed", s.Cleanup.HoldFailed, 0, 7*24*time.Hour)
	duration("cleanup.timeout", s.Cleanup.Timeout, time.Second, time.Hour)

	for _, host := range slices.Sorted(maps.Keys(s.Registry)) {
		r := s.Registry[host]
		key := dotted([]string{"registry", host})
		if host == "" || strings.ContainsAny(host, "/ \\") || strings.Contains(host, "..") {
			add(key, "must be a host with an optional port, as pipelines name it")
		}
		if r.CAFile != "" && !filepath.IsAbs(r.CAFile) {
			add(key+".ca_file", "must be an absolute path")
		}
	}
	for i, p := range s.Policies {
		key := fmt.Sprintf("policy.%d", i+1)
		validateInstances(key+".instances", p.Instances, add)
		patterns(key+".projects", p.Projects)
		imagePatterns(key+".sidecar.allowed_images", p.Sidecar.AllowedImages)
		imagePatterns(key+".job.allowed_images", p.Job.AllowedImages)
		imagePatterns(key+".services.allowed_images", p.Services.AllowedImages)
		if p.Sidecar.Image != "" {
			image(key+".sidecar.image", p.Sidecar.Image)
		}
		if sc := p.Sidecar; sc.Privilege != "" || sc.Runtime != "" {
			validatePrivilege(key+".sidecar", cmp.Or(sc.Image, s.Sidecar.Image), cmp.Or(sc.Privilege, s.Sidecar.Privilege),
				cmp.Or(sc.Runtime, s.Sidecar.Runtime), add)
		}
		if p.Job.Image != "" {
			image(key+".job.image", p.Job.Image)
		}
		validateCache(key+".cache", p.Cache.On(Cache{Layers: LayersOff}), add)
		validateLimits(key+".limits", p.Limits.On(Limits{}), add)
	}
	return faults
}

func validateNetwork(n Network, add func(key, format string, args ...any)) {
	usable := func(key string, p netip.Prefix) bool {
		switch {
		case !p.IsValid() || !p.Addr().Is4():
			add(key, "must be an IPv4 address range")
		case p.Masked() != p:
			add(key, "has bits set behind the prefix: %s; meant is %s", p, p.Masked())
		default:
			return true
		}
		return false
	}
	poolOK := usable("network.pool", n.Pool)
	if poolOK && (n.SubnetBits < n.Pool.Bits() || n.SubnetBits > 29) {
		add("network.subnet_bits", "must be from %d (the pool's own) to 29", n.Pool.Bits())
	}
	if len(n.InnerPools) == 0 {
		add("network.inner_pools", "must name at least one address range")
	}
	for _, p := range n.InnerPools {
		if !usable("network.inner_pools", p) {
			continue
		}
		if p.Bits() > 22 {
			add("network.inner_pools", "must have a prefix of at most 22 bits: %s", p)
		}
		if poolOK && p.Overlaps(n.Pool) {
			add("network.inner_pools", "overlaps network.pool: %s", p)
		}
	}
	switch p := n.Pool6; {
	case !p.IsValid() || !p.Addr().Is6():
		add("network.pool6", "must be an IPv6 address range")
	case p.Masked() != p:
		add("network.pool6", "has bits set behind the prefix: %s; meant is %s", p, p.Masked())
	case poolOK && p.Bits() > 63-(n.SubnetBits-n.Pool.Bits()):
		// Half is for sandboxes, a /64 for each subnet of the pool.
		add("network.pool6", "must have a prefix of at most %d bits, or the pool has more subnets", 63-(n.SubnetBits-n.Pool.Bits()))
	}
	if n.MTU != 0 && (n.MTU < 576 || n.MTU > 65535) {
		add("network.mtu", "must be 0 or from 576 to 65535")
	}
	for _, h := range n.ExtraHosts {
		name, addr, ok := strings.Cut(h, ":")
		if _, err := netip.ParseAddr(addr); !ok || name == "" || err != nil {
			add("network.extra_hosts", `must be "name:address": %q`, h)
		}
	}
}
