package runnerconfig

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/config"
)

// rule converts a key of [runners.docker], by calls of c. d is the whole table, its keys in
// lower case.
type rule func(c *Conversion, key string, d map[string]any)

// as is for a key with a setting of the same meaning.
func as(table, setting, why string) rule {
	return func(c *Conversion, key string, d map[string]any) { c.plain(Carried, table, setting, key, why, d[key]) }
}

// near is for a key with a setting of a different meaning. why says how the meanings
// differ.
func near(table, setting, why string) rule {
	return func(c *Conversion, key string, d map[string]any) { c.plain(Differs, table, setting, key, why, d[key]) }
}

// without is for a key without a setting.
func without(why string) rule {
	return func(c *Conversion, key string, _ map[string]any) { c.drop(key, why) }
}

// both applies two rules.
func both(a, b rule) rule {
	return func(c *Conversion, key string, d map[string]any) {
		a(c, key, d)
		b(c, key, d)
	}
}

// dockerKeys are the keys of [runners.docker] in GitLab Runner 19.4. They apply in the
// order of their names. Of two keys with the same setting the later wins.
var dockerKeys map[string]rule

func init() { dockerKeys = rules() } // rules call each other through dockerKeys

// saysSomething are keys with a meaning even when empty.
var saysSomething = []string{"privileged", "services_privileged", "services_limit"}

func rules() map[string]rule {
	return map[string]rule{
		"image":                       as("job", "image", ""),
		"allowed_images":              patternsOf("job"),
		"allowed_services":            patternsOf("services"),
		"allowed_privileged_services": sidecarImages,
		"memory":                      near("limits.job", "memory", "of the job container alone, and no swap besides unless memory_swap says so; builds count as the sidecar's, limits.sidecar"),
		"cpus":                        cpus(Carried, "limits.job", jobAlone),
		"service_memory":              both(near("limits.services", "memory", "no swap besides unless service_memory_swap says so"), ofDind(near("limits.sidecar", "memory", "where a pipeline declared a dind service, that had as much, and builds run there"))),
		"service_cpus":                both(cpus(Carried, "limits.services", ""), ofDind(cpus(Differs, "limits.sidecar", "where a pipeline declared a dind service, that had as many, and builds run there"))),
		"services_limit":              servicesLimit,
		"services":                    services,
		"services_privileged": func(c *Conversion, key string, _ map[string]any) {
			c.differs(key, "only the sidecar is ever privileged")
		},
		"privileged":            privileged,
		"pull_policy":           pullPolicy,
		"allowed_pull_policies": allowedPullPolicies,
		"network_mtu":           perBuild("mtu"),
		"enable_ipv6":           perBuild("ipv6"),
		"extra_hosts":           extraHosts,
		"dns":                   dns,
		"host":                  engineHost,
		"tls_verify": func(c *Conversion, key string, _ map[string]any) {
			c.differs(key, "give the Runner's process DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH for its engine; jobs have TLS of their own in any case")
		},
		"wait_for_services_timeout": waitForServices,
		"disable_cache":             disableCache,
		"runtime":                   runtime,
		"helper_image":              helperImage,
		"helper_image_flavor":       helperFlavor,

		"volumes":                      volumes,
		"tmpfs":                        as("job", "tmpfs", ""),
		"services_tmpfs":               as("services", "tmpfs", ""),
		"shm_size":                     shmSize,
		"ulimit":                       as("job", "ulimit", ""),
		"sysctls":                      as("job", "sysctls", ""),
		"cap_drop":                     as("job", "cap_drop", ""),
		"container_labels":             both(near("job", "container_labels", noPrefix), near("services", "container_labels", noPrefix)),
		"log_options":                  both(as("job", "log_options", ""), as("services", "log_options", "")),
		"disable_entrypoint_overwrite": both(as("job", "disable_entrypoint_overwrite", ""), near("services", "disable_entrypoint_overwrite", "of the job's daemon, sidecar.commands = \"flags\" forbids it")),
		"hostname":                     as("job", "hostname", ""),
		"mac_address":                  as("job", "mac_address", ""),
		"user":                         as("job", "user", ""),
		"allowed_users":                as("job", "allowed_users", ""),
		"group_add":                    as("job", "group_add", ""),
		"oom_score_adjust":             as("job", "oom_score_adjust", ""),
		"dns_search":                   as("network", "dns_search", ""),
		"memory_swap":                  as("limits.job", "memory_swap", ""),
		"memory_reservation":           as("limits.job", "memory_reservation", ""),
		"cpu_shares":                   as("limits.job", "cpu_shares", jobAlone),
		"cpuset_cpus":                  as("limits.job", "cpuset_cpus", jobAlone),
		"cpuset_mems":                  as("limits.job", "cpuset_mems", jobAlone),
		"cgroup_parent":                as("limits.job", "cgroup_parent", jobAlone),
		"service_memory_swap":          ofServices("memory_swap"),
		"service_memory_reservation":   ofServices("memory_reservation"),
		"service_cpu_shares":           ofServices("cpu_shares"),
		"service_cpuset_cpus":          ofServices("cpuset_cpus"),
		"service_cgroup_parent":        ofServices("cgroup_parent"),

		"cap_add":               byPolicy("job.cap_add"),
		"devices":               byPolicy("job.devices"),
		"device_cgroup_rules":   byPolicy("job.device_cgroup_rules"),
		"gpus":                  byPolicy("job.gpus"),
		"services_devices":      byPolicy("services.devices"),
		"service_gpus":          byPolicy("services.gpus"),
		"security_opt":          securityOptions("job"),
		"services_security_opt": securityOptions("services"),

		"allowed_privileged_images":    without("job containers are never privileged"),
		"cache_dir":                    without("what is cached lies in volumes of the engine, where gc finds it: cache.volume and cache.paths"),
		"ipcmode":                      without("a job container shares no memory with others: services are reached by the network"),
		"isolation":                    without("of Windows"),
		"links":                        without("services are reached by their names, and what else there is by an address: network.extra_hosts"),
		"network_mode":                 without("each job has a network of its own; names outside go to network.extra_hosts"),
		"oom_kill_disable":             without("a container without memory would hang, and its job with it: the job log names what ran out"),
		"pid_mode":                     without("a job container sees no processes but its own"),
		"service_slot_cgroup_template": without("the Runner tells no slot: limits.services has cgroup_parent for all jobs"),
		"tls_cert_path":                without("the hooks take DOCKER_CERT_PATH of the Runner's environment"),
		"userns_mode":                  without("a job container stays in the engine's user namespace; for the job's daemon there is sidecar.privilege = \"rootless\""),
		"volume_driver":                without("volumes are the engine's local ones; a directory that another driver has mounted on the host goes to job.volumes"),
		"volume_driver_ops":            without("volumes are the engine's local ones; a directory that another driver has mounted on the host goes to job.volumes"),
		"volume_keep":                  without("volumes of a job go with it; what a project keeps is named by cache.paths"),
		"volumes_from":                 without("no container of the host is a job's: directories of the host go to job.volumes"),
	}
}

const (
	jobAlone = "of the job container alone: builds count as the sidecar's, limits.sidecar"
	noPrefix = "not a second time with the Runner's own prefix"
)

// ofServices is for a limit of services.
func ofServices(limit string) rule {
	return both(as("limits.services", limit, ""), ofDind(near("limits.sidecar", limit, "where a pipeline declared a dind service, that had it, too")))
}

// shmSize converts a number of bytes.
func shmSize(c *Conversion, key string, d map[string]any) {
	n, ok := d[key].(int64)
	if !ok || n < 0 {
		c.drop(key, "it is no number of bytes")
		return
	}
	for _, table := range []string{"job", "services"} {
		c.put(table, "shm_size", strconv.FormatInt(n, 10), key, "")
	}
}

// docker converts [runners.docker].
func (c *Conversion) docker(d map[string]any) {
	for _, key := range sorted(d) {
		if unset(d[key]) && !slices.Contains(saysSomething, key) {
			continue // the Runner's own register writes such keys
		}
		if apply, known := dockerKeys[key]; known {
			apply(c, key, d)
		} else {
			c.drop(key, "this program does not know it")
		}
	}
	if unset(d["pull_policy"]) {
		pullPolicy(c, "pull_policy", d)
	}
	if _, set := d["volumes"]; !set && d["disable_cache"] != true {
		c.holdsNear("cache", "layers", config.LayersProject, "volumes", "layers of builds are cached for a project's next job: cache.layers")
	}
}

// plain converts a key to a setting with the same value.
func (c *Conversion) plain(kind Kind, table, setting, from, why string, v any) {
	const another = "it is of another type than the docker executor's"
	switch v := v.(type) {
	case string, int64, bool:
		c.set(kind, place{table, setting, v}, from, why)
	case []any:
		if !onlyStrings(v) {
			c.drop(from, another)
			return
		}
		c.set(kind, place{table, setting, list(v)}, from, why)
	case map[string]any:
		all, ok := pairs(v)
		if !ok {
			c.drop(from, another)
			return
		}
		c.set(kind, place{table, setting, all}, from, why)
	default:
		c.drop(from, another)
	}
}

// cpus converts numbers of CPUs, fractions too.
func cpus(kind Kind, table, why string) rule {
	return func(c *Conversion, key string, d map[string]any) {
		n, ok := new(big.Rat).SetString(text(d[key]))
		if !ok {
			c.drop(key, "it is no number")
			return
		}
		f, _ := n.Float64()
		c.set(kind, place{table, "cpus", f}, key, why)
	}
}

// ofDind is for keys of services that concern the job's daemon. The daemon could be a
// service where services were privileged.
func ofDind(r rule) rule {
	return func(c *Conversion, key string, d map[string]any) {
		if servicesArePrivileged(d) {
			r(c, key, d)
		}
	}
}

func servicesArePrivileged(d map[string]any) bool {
	if own, set := d["services_privileged"].(bool); set {
		return own
	}
	return d["privileged"] == true
}

func disableCache(c *Conversion, key string, d map[string]any) {
	if d[key] != true {
		c.drop(key, "it is neither true nor false")
		return
	}
	c.put("cache", "volume", false, key, "layers of builds are another matter: cache.layers")
}

func servicesLimit(c *Conversion, key string, d map[string]any) {
	n, ok := d[key].(int64)
	switch {
	case !ok:
		c.drop(key, "it is no number")
	case n < 0:
		c.put("services", "max", int64(0), key, "no bound")
	case n == 0:
		c.putNear("services", "allowed_images", nothing, key, "no service but the job's daemon")
	default:
		c.put("services", "max", n, key, "")
	}
}

func waitForServices(c *Conversion, key string, d map[string]any) {
	seconds, ok := d[key].(int64)
	switch {
	case !ok:
		c.drop(key, "it is no number")
	case seconds < 0:
		c.put("services", "ready_timeout", "0s", key, "nobody waits")
	default:
		c.put("services", "ready_timeout", strconv.FormatInt(seconds, 10)+"s", key, "")
	}
}

// helperImage replaces the Runner's variables by ours.
func helperImage(c *Conversion, key string, d map[string]any) {
	image := strings.NewReplacer("${CI_RUNNER_VERSION}", "{version}", "$CI_RUNNER_VERSION", "{version}").Replace(text(d[key]))
	if strings.Contains(image, "$") {
		c.drop(key, "it has a variable that is not known here: {version} and {arch} are")
		return
	}
	c.put("helper", "image", image, key, "")
}

// helperFlavor counts where no image is named, as in the Runner.
func helperFlavor(c *Conversion, key string, d map[string]any) {
	const repository = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:"
	switch flavor := text(d[key]); {
	case !unset(d["helper_image"]):
		c.drop(key, "helper_image counts before it")
	case flavor == "alpine":
		c.holds("helper", "image", config.Default().Helper.Image, key, "as helper.image, which is that by itself")
	default:
		c.put("helper", "image", repository+flavor+"-{arch}-v{version}", key, "")
	}
}
