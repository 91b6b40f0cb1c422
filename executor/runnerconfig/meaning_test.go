package runnerconfig

import (
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/distribution/reference"
	"github.com/docker/go-units"

	"gitlab-dind-executor/config"
)

// meanings hold, for each key of [runners.docker] that can be carried, a check of the
// result. The check compares settings with the docker executor's treatment of a value. part
// is the text behind the key in a line of the report. The checks read the settings by
// themselves, without the rules.
var meanings = map[string]func(v any, part string, s config.Settings) bool{
	"image":                       func(v any, _ string, s config.Settings) bool { return v == s.Job.Image },
	"allowed_images":              allows(func(s config.Settings) []string { return s.Job.AllowedImages }),
	"allowed_services":            allows(func(s config.Settings) []string { return s.Services.AllowedImages }),
	"allowed_privileged_services": allows(func(s config.Settings) []string { return s.Sidecar.AllowedImages }),
	"cpus":                        func(v any, _ string, s config.Settings) bool { return sameNumber(v, s.Limits.Job.CPUs) },
	"service_cpus":                func(v any, _ string, s config.Settings) bool { return sameNumber(v, s.Limits.Services.CPUs) },
	"memory":                      func(v any, _ string, s config.Settings) bool { return sameSize(v, s.Limits.Job.Memory) },
	"service_memory":              func(v any, _ string, s config.Settings) bool { return sameSize(v, s.Limits.Services.Memory) },
	"services_limit": func(v any, _ string, s config.Settings) bool {
		n, _ := v.(int64)
		return n < 0 && s.Services.Max == 0 || n > 0 && int(n) == s.Services.Max
	},
	"pull_policy": func(v any, _ string, s config.Settings) bool {
		there := slices.DeleteFunc(list(v), func(p string) bool {
			return len(s.Pull.AllowedPolicies) > 0 && !slices.Contains(s.Pull.AllowedPolicies, p)
		})
		return slices.Equal(there, s.Pull.Policy)
	},
	"allowed_pull_policies": func(v any, _ string, s config.Settings) bool {
		return !slices.ContainsFunc(s.Pull.AllowedPolicies, func(p string) bool { return !slices.Contains(list(v), p) }) && len(s.Pull.AllowedPolicies) > 0
	},
	"network_mtu": func(v any, _ string, s config.Settings) bool { return v == int64(s.Network.MTU) },
	"enable_ipv6": func(v any, _ string, s config.Settings) bool { return v == s.Network.IPv6 },
	"extra_hosts": func(v any, _ string, s config.Settings) bool {
		return !slices.ContainsFunc(s.Network.ExtraHosts, func(h string) bool {
			return !slices.ContainsFunc(list(v), func(e string) bool { return strings.NewReplacer("[", "", "]", "").Replace(e) == h })
		})
	},
	"host": func(v any, _ string, s config.Settings) bool {
		return v == s.Engine.Host && !strings.Contains(s.Engine.Host, "podman")
	},
	"wait_for_services_timeout": func(v any, _ string, s config.Settings) bool {
		n, _ := v.(int64)
		return s.Services.ReadyTimeout.Std() == time.Duration(max(0, n))*time.Second
	},
	"disable_cache": func(v any, _ string, s config.Settings) bool { return v == !s.Cache.Volume },
	"volumes": func(_ any, part string, s config.Settings) bool {
		if strings.HasPrefix(part, "/cache") {
			return s.Cache.Volume && !strings.Contains(part, ":/")
		}
		source, rest, _ := strings.Cut(part, ":")
		host, _, _ := strings.Cut(strings.TrimPrefix(rest, "/etc/docker/certs.d/"), "/")
		target, _, _ := strings.Cut(rest, ":")
		return s.Registry[host].CAFile == source && strings.HasSuffix(target, ".crt") // other files are not CAs for docker
	},
	"services": func(v any, part string, s config.Settings) bool {
		if name, ok := strings.CutPrefix(part, "command"); ok {
			return daemonHas(strings.TrimSpace(name), s)
		}
		for _, o := range s.Service {
			if o.Name == part && !strings.Contains(strings.Join(o.Environment, ""), "$") { // the docker executor replaces variables
				return slices.ContainsFunc(tables(v), func(t map[string]any) bool {
					return reflect.DeepEqual(o, config.Service{Name: text(t["name"]), Alias: text(t["alias"]), Command: list(t["command"]), Entrypoint: list(t["entrypoint"]), Environment: list(t["environment"])})
				})
			}
		}
		return s.Sidecar.Image == part || slices.Contains(s.Sidecar.AllowedImages, inFull(part))
	},
	"security_opt": func(_ any, part string, s config.Settings) bool {
		return strings.HasPrefix(part, "no-new-privileges") && s.Job.NoNewPrivileges
	},
	"helper_image": func(v any, _ string, s config.Settings) bool {
		return strings.ReplaceAll(s.Helper.Image, "{version}", "${CI_RUNNER_VERSION}") == v
	},
	"helper_image_flavor": func(v any, _ string, s config.Settings) bool {
		_, tag, _ := strings.Cut(s.Helper.Image, "gitlab-runner-helper:")
		return v == "alpine" && tag == "{arch}-v{version}" || tag == v.(string)+"-{arch}-v{version}"
	},
}

// daemonHas tells whether the settings have a flag of the dind service in values.
func daemonHas(flag string, s config.Settings) bool {
	switch flag {
	case "--registry-mirror":
		return slices.Equal(s.Sidecar.RegistryMirrors, []string{"https://mirror.example.com"})
	case "--insecure-registry":
		return s.Registry["old.example.com:5000"].Insecure
	case "":
		return slices.Equal(s.Sidecar.Arguments, []string{"--max-concurrent-downloads=6"})
	}
	return false
}

func inFull(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	return reference.TagNameOnly(ref).String()
}

func sameNumber(v any, n float64) bool {
	r, ok := new(big.Rat).SetString(v.(string))
	f, _ := r.Float64()
	return ok && f == n
}

func sameSize(v any, s config.Size) bool {
	n, err := units.RAMInBytes(v.(string))
	return err == nil && n == s.Bytes()
}

// probes are images as pipelines name them.
var probes = []string{
	"ruby:3.3", "alpine:3.20", "docker:27-dind", "postgres:16", "team/app:1", "registry.example.com/a/b:1", "registry.example.com/a:1",
	"evil.example.com/ruby:3.3", "ruby:3.3@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "registry.example.com/docker:27-dind",
}

// allows compares the images allowed by the docker executor with those allowed here. The
// docker executor matches the name in the pipeline.
func allows(of func(config.Settings) []string) func(any, string, config.Settings) bool {
	return func(v any, _ string, s config.Settings) bool {
		for _, image := range probes {
			there := slices.ContainsFunc(list(v), func(p string) bool { ok, _ := doublestar.Match(p, image); return ok })
			here := len(of(s)) == 0 || slices.ContainsFunc(of(s), func(p string) bool {
				ok, _ := doublestar.Match(p, inFull(image))
				return ok && strings.Contains(p, "@") == strings.Contains(image, "@")
			})
			own := image == s.Job.Image || image == s.Sidecar.Image
			if there != here && !own {
				return false
			}
		}
		return true
	}
}

// values are the values for generated tables; every key may also have a strange one.
var values = map[string][]any{
	"image":                       {"ruby:3.3", "$IMAGE", "registry.example.com/a:1"},
	"allowed_images":              {[]string{"ruby:*"}, []string{"[bad"}, []string{"registry.example.com/**", "["}, []string{"*/app:1"}, []string{"ruby:3.3", "team/app:1"}, []string{"{ruby,registry.example.com/a}:*"}, []string{"{team,registry.example.com}/app:1"}, []string{"{alpine:3.20,ruby:3.3}"}},
	"allowed_services":            {[]string{"postgres:*", "docker:*-dind"}, []string{"["}, []string{"postgres:16"}},
	"allowed_privileged_services": {[]string{"docker:*"}, []string{"registry.example.com/docker:*-dind"}, []string{"docker:27-dind"}},
	"memory":                      {"2g", "512", "1.5gb", "much"},
	"service_memory":              {"1g", "0"},
	"cpus":                        {"1.5", "3/2", "-1", "many"},
	"service_cpus":                {"2"},
	"services_limit":              {-1, 0, 3, 5000},
	"services":                    {[]map[string]any{{"name": "docker:dind", "alias": "docker"}}, dindWith("--mtu", "1300", "--registry-mirror=https://mirror.example.com"), dindWith("--insecure-registry", "old.example.com:5000", "--max-concurrent-downloads=6"), []map[string]any{{"name": "builder:1", "alias": "x docker"}, {"name": "dind.example.com/redis:7"}, {"name": "docker:27-cli"}}, dindWith("sh", "-c", "dockerd --mtu 1300"), []map[string]any{{"name": "redis:7", "alias": "kv, cache", "command": []string{"a"}, "environment": []string{"A=b"}}, {"name": "$X"}, {"name": "redis:6", "environment": []string{"A=$B"}}, {"name": "Bad"}, {"name": "mysql:8"}, {"name": "docker:26-dind", "environment": []string{"A=b"}}, {"name": "docker:27-dind"}}},
	"privileged":                  {true, false},
	"services_privileged":         {true, false},
	"pull_policy":                 {"always", []string{"always", "if-not-present"}, "never", []string{"sometimes"}, []string{"if-not-present", "never"}},
	"allowed_pull_policies":       {[]string{"always"}, []string{"if-not-present"}, []string{"if-not-present", "never"}, []string{"sometimes"}},
	"network_mtu":                 {1400, 1, 0},
	"enable_ipv6":                 {true, false},
	"extra_hosts":                 {[]string{"a.example.com:10.0.0.7"}, []string{"b:[fd00::1]", "c:host-gateway"}},
	"dns":                         {[]string{"10.0.0.53", "resolver"}},
	"host":                        {"unix:///var/run/docker.sock", "unix:///run/podman/podman.sock", "tcp://10.0.0.1:2376", "ssh://a", "unix:///run/user/1000/podman/podman.sock"},
	"wait_for_services_timeout":   {-1, 60, 100000},
	"disable_cache":               {true, false},
	"volumes":                     {[]string{"/cache"}, []string{"/srv:/cache", "shared:/cache", "/cache"}, []string{"/a.crt:/etc/docker/certs.d/r.example.com/ca.crt:ro", "/b.crt:/etc/docker/certs.d/r.example.com/ca.crt"}, []string{"/c.key:/etc/docker/certs.d/r.example.com/client.key:ro", "/c.crt:/etc/docker/certs.d/r.example.com/client.cert"}, []string{"/var/run/docker.sock:/var/run/docker.sock", "/certs/client", "/data"}},
	"security_opt":                {[]string{"no-new-privileges"}, []string{"seccomp=unconfined", "no-new-privileges:true"}},
	"runtime":                     {"sysbox-runc", "runsc", "kata"},
	"helper_image":                {"registry.example.com/helper:v${CI_RUNNER_VERSION}", "helper:$OTHER", "-bad"},
	"helper_image_flavor":         {"alpine", "ubuntu", "x y"},
}

func dindWith(command ...string) []map[string]any {
	return []map[string]any{{"name": "registry.example.com/docker:27-dind", "command": command}}
}

// strange are values of a type that may be wrong for the key.
var strange = []any{7, 0, true, "", "text", []string{}, []string{"a", "b"}, map[string]any{"a": "b"}, map[string]any{"a": 1}, 1.5, []any{1, 2}}

// generated returns a section with a docker executor, made from a number.
func generated(seed uint64) map[string]any {
	r := rand.New(rand.NewPCG(seed, 15)) //nolint:gosec // tests
	docker := map[string]any{}
	keys := append(sorted(dockerKeys), "fancy_new", "Image")
	for range 1 + r.IntN(12) {
		key := keys[r.IntN(len(keys))]
		if of := values[key]; len(of) > 0 && r.IntN(4) > 0 {
			docker[key] = of[r.IntN(len(of))]
		} else {
			docker[key] = strange[r.IntN(len(strange))]
		}
	}
	section := map[string]any{"name": "x", "url": "https://gitlab.example.com", "executor": "docker", "token": "t", "docker": docker}
	for key, v := range map[string]any{
		"limit": 3, "shell": []any{"bash", "pwsh", ""}[r.IntN(3)], "environment": []string{"DOCKER_HOST=tcp://docker:2375", "A=b"},
		"cache": map[string]any{"Type": []any{"s3", ""}[r.IntN(2)]}, "feature_flags": map[string]any{"FF_NETWORK_PER_BUILD": r.IntN(2) == 0, "FF_CONCRETE": true, "FF_PRINT_POD_EVENTS": true, "FF_USE_INIT_WITH_DOCKER_EXECUTOR": true, "FF_NEW": false},
		"builds_dir": "/b", "new_thing": []any{map[string]any{"a": 1}},
	} {
		if r.IntN(3) == 0 {
			section[key] = v
		}
	}
	return section
}
