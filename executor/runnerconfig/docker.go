package runnerconfig

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/config"
)

// byName are the keys of [runners.docker] whose values are settings here.
var byName = map[string]struct{ table, key, why string }{
	"image":                 {"job", "image", ""},
	"pull_policy":           {"pull", "policy", "of images that pipelines name; those of the settings are fetched if they are not on the host"},
	"allowed_pull_policies": {"pull", "allowed_policies", ""},
	"memory":                {"limits.job", "memory", "of the job container alone: builds count as the sidecar's, limits.sidecar"},
	"cpus":                  {"limits.job", "cpus", "of the job container alone: builds count as the sidecar's, limits.sidecar"},
	"network_mtu":           {"network", "mtu", ""},
	"enable_ipv6":           {"network", "ipv6", ""},
	"host":                  {"engine", "host", ""},
}

// noSuch are keys without a counterpart, and why.
var noSuch = map[string]string{
	"hostname": "containers are named after their sandbox", "memory_swap": "memory and swap together are no more than memory",
	"memory_reservation": "there are hard limits only", "cgroup_parent": "the engine's own", "cpuset_cpus": "limits are by share: cpus", "cpuset_mems": "limits are by share: cpus",
	"cpu_shares": "limits are hard: cpus", "dns_search": "name servers only", "disable_entrypoint_overwrite": "pipelines may set the entrypoint; for the daemon sidecar.commands = \"flags\" forbids it",
	"user": "pipelines say it with image:docker:user", "allowed_users": "pipelines may choose the user of an ordinary container", "group_add": "no counterpart",
	"userns_mode": "sidecar.privilege = \"rootless\" has a user namespace", "cap_add": "job containers are ordinary ones; what needs rights runs in the job's daemon",
	"cap_drop": "job containers are ordinary ones", "oom_kill_disable": "no counterpart", "oom_score_adjust": "no counterpart",
	"services_security_opt": "services are ordinary containers", "devices": "no device of the host gets into a sandbox", "device_cgroup_rules": "no device of the host gets into a sandbox",
	"gpus": "no device of the host gets into a sandbox", "service_gpus": "no device of the host gets into a sandbox", "services_devices": "no device of the host gets into a sandbox",
	"volume_keep": "volumes of a job go with it", "volume_driver": "the engine's local one is used", "volume_driver_ops": "the engine's local one is used",
	"cache_dir": "caches are in /cache, in a volume for each project", "volumes_from": "a sandbox has volumes of its own", "network_mode": "each job has a network of its own",
	"pid_mode": "job containers are ordinary ones", "ipcmode": "job containers are ordinary ones", "mac_address": "no counterpart", "links": "services are reached by their names",
	"service_memory_swap": "memory and swap together are no more than memory", "service_memory_reservation": "there are hard limits only",
	"service_cgroup_parent": "the engine's own", "service_slot_cgroup_template": "the engine's own", "service_cpuset_cpus": "limits are by share: cpus", "service_cpu_shares": "limits are hard: cpus",
	"isolation": "of Windows", "shm_size": "no counterpart", "tmpfs": "no counterpart", "services_tmpfs": "no counterpart", "sysctls": "no counterpart",
	"container_labels": "everything has labels of its own", "ulimit": "the engine's default-ulimits hold", "log_options": "logs of containers are json-file, bounded",
	"allowed_privileged_images": "job containers are never privileged", "services_privileged": "only the sidecar is ever privileged",
	"tls_cert_path": "the hooks take DOCKER_CERT_PATH of the Runner's environment",
}

// docker converts [runners.docker].
func (c *Conversion) docker(d map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(d)) {
		v := d[key]
		if unset(v) && key != "privileged" {
			continue // as the Runner's own register writes it
		}
		if to, ok := byName[key]; ok {
			c.plain(key, to.table, to.key, to.why, v)
			continue
		}
		switch key {
		case "privileged":
			if on, _ := v.(bool); on {
				c.note(Differs, key, "only the sidecar with the job's daemon is privileged, no job container and no service: sidecar.privilege")
			} else {
				c.note(Differs, key, "the sidecar with the job's daemon is privileged unless sidecar.privilege says otherwise: docs/security.md")
			}
		case "tls_verify":
			c.note(Differs, key, "give the Runner's process DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH for its engine; jobs have TLS of their own in any case")
		case "allowed_images":
			c.patterns("job", key, list(v), d["image"])
		case "allowed_services":
			c.patterns("services", key, list(v), nil)
		case "allowed_privileged_services":
			c.put("sidecar", "allowed_images", full(list(v)), key, "they may be the job's daemon")
		case "service_memory", "service_cpus":
			name := strings.TrimPrefix(key, "service_")
			c.plain(key, "limits.services", name, "", v)
			c.plain(key, "limits.sidecar", name, "the dind service was one of them", v)
		case "services_limit":
			if n, _ := v.(int64); n < 0 {
				c.put("services", "max", int64(0), key, "no bound")
			} else {
				c.put("services", "max", n, key, "")
			}
		case "extra_hosts":
			c.hosts(list(v))
		case "dns":
			c.dns(list(v))
		case "wait_for_services_timeout":
			c.wait(v)
		case "disable_cache":
			c.put("cache", "volume", false, key, "layers of builds are another matter: cache.layers")
		case "volumes":
			for _, one := range list(v) {
				c.volume(one)
			}
		case "services":
			c.services(v)
		case "security_opt":
			c.securityOptions(list(v))
		case "runtime":
			c.runtime(text(v))
		case "helper_image":
			c.helperImage(text(v))
		case "helper_image_flavor":
			if f := text(v); f != "" && f != "alpine" {
				c.put("helper", "image", "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:"+f+"-{arch}-v{version}", key, "")
			}
		default:
			why, known := noSuch[key]
			if !known {
				why = "this program does not know it"
			}
			c.drop(key, why)
		}
	}
	c.pullPolicy(list(d["pull_policy"]))
	if _, set := d["volumes"]; !set && d["disable_cache"] != true {
		c.note(Differs, "volumes", "layers of builds are cached for a project's next job: cache.layers")
	}
}

// runtime is for the sidecar, whose privilege goes with it.
func (c *Conversion) runtime(name string) {
	const key = "runtime"
	switch {
	case name == "sysbox-runc":
		c.put("sidecar", "runtime", name, key, "for the sidecar alone")
		c.put("sidecar", "privilege", config.PrivilegeRuntime, key, "")
	case strings.HasPrefix(name, config.GVisorRuntime):
		c.put("sidecar", "runtime", name, key, "for the sidecar alone; its arguments in the engine's daemon.json: docs/gvisor.md")
		c.put("sidecar", "privilege", config.PrivilegeGVisor, key, "")
	default:
		c.drop(key, "the sidecar alone can have one: sidecar.runtime")
	}
}

// pullPolicy says what the Runner's policies mean here. Without one both pull
// always, and both let pipelines name no other than those of the list.
func (c *Conversion) pullPolicy(policies []string) {
	if len(policies) == 0 {
		policies = []string{config.PullAlways}
	}
	always := slices.Contains(policies, config.PullAlways)
	if always {
		c.note(Differs, "pull_policy", "always asks the registry with the job's credentials and fetches only what differs; what is on the host serves while the registry cannot be asked")
	}
	if always && len(policies) > 1 {
		c.note(Differs, "pull_policy", "a registry that denies an image ends the job: the policies behind always are for images that cannot be fetched")
	}
	if !always {
		c.note(Differs, "pull_policy", "as there, a job can use a private image that another project's job has fetched: pull.policy = [\"always\"] ends that")
	}
}

// plain is a key whose value is the setting's as it is, or nearly so.
func (c *Conversion) plain(from, table, key, why string, v any) {
	switch v := v.(type) {
	case string:
		switch key {
		case "cpus":
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				c.drop(from, "it is no number")
				return
			}
			c.put(table, key, n, from, why)
		case "policy", "allowed_policies":
			c.put(table, key, []string{v}, from, why)
		default:
			c.put(table, key, v, from, why)
		}
	case []any:
		c.put(table, key, list(v), from, why)
	case int64, bool:
		c.put(table, key, v, from, why)
	default:
		c.drop(from, "it is of another type than the docker executor's")
	}
}

// patterns are lists of images that jobs may use.
func (c *Conversion) patterns(table, from string, patterns []string, always any) {
	if own := text(always); own != "" { // which the docker executor allows in any case
		patterns = append(patterns, own)
	}
	c.put(table, "allowed_images", full(patterns), from, "written in full; an image by digest needs a pattern with an @")
	if table == "services" && slices.ContainsFunc(patterns, func(p string) bool { return strings.Contains(p, "dind") || strings.Contains(p, "docker") }) {
		c.note(Differs, from, "dind images are the job's daemon, no services: those of your own belong to sidecar.allowed_images")
	}
}

// full writes patterns as they are matched here: with registry and tag. The
// docker executor matches the name as the pipeline has it.
func full(patterns []string) []string {
	var out []string
	for _, p := range patterns {
		first, _, slashed := strings.Cut(p, "/")
		rest := p[strings.LastIndex(p, "/")+1:]
		if !strings.ContainsAny(rest, ":@") && !strings.HasSuffix(rest, "*") {
			p += ":latest"
		}
		switch {
		case strings.HasPrefix(p, "**"), slashed && (strings.ContainsAny(first, ".:") || first == "localhost"):
			out = append(out, p)
		case slashed && strings.Contains(first, "*"): // of any registry, or of a user at the Docker Hub
			out = append(out, p, "docker.io/"+p)
		case slashed:
			out = append(out, "docker.io/"+p)
		default:
			out = append(out, "docker.io/library/"+p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *Conversion) hosts(entries []string) {
	var keep []string
	for _, e := range entries {
		name, address, ok := strings.Cut(e, ":")
		address = strings.Trim(address, "[]")
		if _, err := netip.ParseAddr(address); !ok || err != nil {
			c.drop("extra_hosts "+e, "it has no address")
			continue
		}
		keep = append(keep, name+":"+address)
	}
	if len(keep) > 0 {
		c.put("network", "extra_hosts", keep, "extra_hosts", "")
	}
}

func (c *Conversion) dns(servers []string) {
	keep := slices.DeleteFunc(servers, func(s string) bool {
		_, err := netip.ParseAddr(s)
		if err != nil {
			c.drop("dns "+s, "it is no address")
		}
		return err != nil
	})
	if len(keep) > 0 {
		c.put("network", "dns", keep, "dns", "for containers inside the job's daemon; the others have the engine's")
	}
}

func (c *Conversion) wait(v any) {
	seconds, ok := v.(int64)
	switch {
	case !ok || seconds == 0:
	case seconds < 0:
		c.put("services", "ready_timeout", "0s", "wait_for_services_timeout", "nobody waits")
	default:
		c.put("services", "ready_timeout", strconv.FormatInt(seconds, 10)+"s", "wait_for_services_timeout", "")
	}
}

func (c *Conversion) securityOptions(options []string) {
	for _, o := range options {
		if o == "no-new-privileges" || o == "no-new-privileges:true" || o == "no-new-privileges=true" {
			c.put("job", "no_new_privileges", true, "security_opt "+o, "")
		} else {
			c.drop("security_opt "+o, "job containers have the engine's own profiles")
		}
	}
}

// helperImage turns the Runner's variables into ours.
func (c *Conversion) helperImage(image string) {
	image = strings.NewReplacer("${CI_RUNNER_VERSION}", "{version}", "$CI_RUNNER_VERSION", "{version}").Replace(image)
	if strings.Contains(image, "$") {
		c.drop("helper_image", "it has a variable that is not known here: {version} and {arch} are")
		return
	}
	c.put("helper", "image", image, "helper_image", "")
}
