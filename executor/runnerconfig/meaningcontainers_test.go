package runnerconfig

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"gitlab-dind-executor/config"
)

// The meanings and the values of keys about containers.
func init() {
	sameList := func(of func(config.Settings) []string) func(any, string, config.Settings) bool {
		return func(v any, _ string, s config.Settings) bool { return slices.Equal(list(v), of(s)) }
	}
	sameText := func(of func(config.Settings) string) func(any, string, config.Settings) bool {
		return func(v any, _ string, s config.Settings) bool { return v == of(s) }
	}
	// samePairs compares a table with the engine's, whatever the order.
	samePairs := func(of ...func(config.Settings) map[string]string) func(any, string, config.Settings) bool {
		return func(v any, _ string, s config.Settings) bool {
			want, _ := v.(map[string]any)
			for _, o := range of {
				got := o(s)
				for key, one := range want {
					if fmt.Sprint(one) != got[key] {
						return false
					}
				}
				if len(got) != len(want) {
					return false
				}
			}
			return true
		}
	}
	job := func(s config.Settings) config.Job { return s.Job }
	limit := func(of func(config.Limit) any) func(any, string, config.Settings) bool {
		return func(v any, _ string, s config.Settings) bool { return fmt.Sprint(v) == fmt.Sprint(of(s.Limits.Job)) }
	}
	serviceLimit := func(of func(config.Limit) any) func(any, string, config.Settings) bool {
		return func(v any, _ string, s config.Settings) bool {
			return fmt.Sprint(v) == fmt.Sprint(of(s.Limits.Services))
		}
	}
	size := func(of func(config.Settings) config.Size) func(any, string, config.Settings) bool {
		return func(v any, _ string, s config.Settings) bool {
			n, err := units.RAMInBytes(fmt.Sprint(v))
			return err == nil && n == of(s).Bytes()
		}
	}
	none := func(part string, on bool) bool { return strings.HasPrefix(part, "no-new-privileges") && on }

	for key, mean := range map[string]func(any, string, config.Settings) bool{
		"tmpfs":          samePairs(func(s config.Settings) map[string]string { return job(s).Tmpfs }),
		"services_tmpfs": samePairs(func(s config.Settings) map[string]string { return s.Services.Tmpfs }),
		"ulimit":         samePairs(func(s config.Settings) map[string]string { return job(s).Ulimit }),
		"sysctls":        samePairs(func(s config.Settings) map[string]string { return job(s).Sysctls }),
		"log_options":    samePairs(func(s config.Settings) map[string]string { return job(s).LogOptions }, func(s config.Settings) map[string]string { return s.Services.LogOptions }),
		"shm_size": func(v any, _ string, s config.Settings) bool {
			return v == job(s).ShmSize.Bytes() && v == s.Services.ShmSize.Bytes()
		},
		"cap_drop":                     sameList(func(s config.Settings) []string { return job(s).CapDrop }),
		"disable_entrypoint_overwrite": func(v any, _ string, s config.Settings) bool { return v == job(s).DisableEntrypointOverwrite },
		"hostname":                     sameText(func(s config.Settings) string { return job(s).Hostname }),
		"mac_address":                  sameText(func(s config.Settings) string { return job(s).MACAddress }),
		"user":                         sameText(func(s config.Settings) string { return job(s).User }),
		"allowed_users":                sameList(func(s config.Settings) []string { return job(s).AllowedUsers }),
		"group_add":                    sameList(func(s config.Settings) []string { return job(s).GroupAdd }),
		"oom_score_adjust":             func(v any, _ string, s config.Settings) bool { return v == int64(job(s).OOMScoreAdjust) },
		"dns": func(v any, _ string, s config.Settings) bool {
			for _, a := range s.Network.DNS {
				if !slices.ContainsFunc(list(v), func(e string) bool { return e == a.String() || e == netip.Addr.StringExpanded(a) }) {
					return false
				}
			}
			return len(s.Network.DNS) > 0
		},
		"dns_search":            sameList(func(s config.Settings) []string { return s.Network.DNSSearch }),
		"services_security_opt": func(_ any, part string, s config.Settings) bool { return none(part, s.Services.NoNewPrivileges) },
		"memory_swap":           size(func(s config.Settings) config.Size { return s.Limits.Job.MemorySwap }),
		"memory_reservation":    size(func(s config.Settings) config.Size { return s.Limits.Job.MemoryReservation }),
		"service_memory_swap":   size(func(s config.Settings) config.Size { return s.Limits.Services.MemorySwap }),
		"service_memory_reservation": size(func(s config.Settings) config.Size {
			return s.Limits.Services.MemoryReservation
		}),
		"cpu_shares":            limit(func(l config.Limit) any { return l.CPUShares }),
		"cpuset_cpus":           limit(func(l config.Limit) any { return l.CPUSetCPUs }),
		"cpuset_mems":           limit(func(l config.Limit) any { return l.CPUSetMems }),
		"cgroup_parent":         limit(func(l config.Limit) any { return l.CgroupParent }),
		"service_cpu_shares":    serviceLimit(func(l config.Limit) any { return l.CPUShares }),
		"service_cpuset_cpus":   serviceLimit(func(l config.Limit) any { return l.CPUSetCPUs }),
		"service_cgroup_parent": serviceLimit(func(l config.Limit) any { return l.CgroupParent }),
	} {
		meanings[key] = mean
	}
	for key, of := range map[string][]any{
		"tmpfs":                        {map[string]any{"/run": "rw,noexec", "/tmp": ""}, map[string]any{"/run": "bind"}},
		"services_tmpfs":               {map[string]any{"/var/lib/mysql": "rw,size=1g"}},
		"shm_size":                     {300000, 1 << 30, -1},
		"ulimit":                       {map[string]any{"nofile": "1024:2048", "core": "-1"}, map[string]any{"nofile": "2:1"}},
		"sysctls":                      {map[string]any{"net.core.somaxconn": "1024"}, map[string]any{"kernel.core_pattern": "x"}},
		"cap_drop":                     {[]string{"NET_RAW", "CAP_MKNOD"}, []string{"NOPE"}},
		"log_options":                  {map[string]any{"labels": "a", "env": "B"}, map[string]any{"max-size": "1m"}},
		"disable_entrypoint_overwrite": {true, false},
		"hostname":                     {"build", "a_b"},
		"mac_address":                  {"02:42:ac:11:00:02", "xx"},
		"user":                         {"1000:1000", "a b"},
		"allowed_users":                {[]string{"app", "1000:1000"}, []string{"a b"}},
		"group_add":                    {[]string{"44"}, []string{"a b"}},
		"oom_score_adjust":             {500, -500, 5000},
		"dns_search":                   {[]string{"example.com"}, []string{"a b"}},
		"services_security_opt":        {[]string{"no-new-privileges:true", "seccomp=unconfined"}},
		"memory_swap":                  {"4g", "1k", "-1"},
		"memory_reservation":           {"64m", "1k"},
		"service_memory_swap":          {"4g"},
		"service_memory_reservation":   {"64m"},
		"cpu_shares":                   {512, 1},
		"cpuset_cpus":                  {"0-3,5", "a"},
		"cpuset_mems":                  {"0"},
		"cgroup_parent":                {"ci.slice", "../x"},
		"service_cpu_shares":           {512},
		"service_cpuset_cpus":          {"0"},
		"service_cgroup_parent":        {"ci.slice"},
		"container_labels":             {map[string]any{"team": "$TEAM"}, map[string]any{"gitlab-dind-executor.job": "x"}},
		"cap_add":                      {[]string{"SYS_ADMIN"}},
		"devices":                      {[]string{"/dev/kvm"}},
		"gpus":                         {"all"},
		"services_devices":             {map[string]any{"**": []string{"/dev/kvm"}}},
	} {
		values[key] = of
	}
	values["volumes"] = append(values["volumes"],
		[]string{"/srv/a:/a:ro", "/srv/b:/b", "/srv/b/c:/c", "/root/.m2", "/root/.m2", "data:/d", "/srv/z:/z:z", "/:/host"})
}
