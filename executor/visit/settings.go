package visit

import (
	"os"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/doctor"
)

// reads are the keys and tables of the settings for each check, besides those of the checks
// in its needs.
var reads = map[string][]string{
	"runner":     {"helper"},
	"protection": {"cache", "policy"},
	"hooks": {
		"admission.wait", "pull.timeout", "sidecar.ready_timeout", "services.ready_timeout", "cleanup.timeout",
	},
	"registries":    {"registry", "network.extra_hosts"},
	"engine":        {"engine"},
	"cgroups":       {"sidecar.privilege", "limits.sidecar"},
	"limits":        {"pool.size", "sidecar.privilege", "sidecar.runtime", "policy"},
	"address pools": {"network"},
	"room":          {"admission", "gvisor", "sidecar"},
	"containers":    {"job", "services", "policy"},
	"images":        {"sidecar", "job", "helper", "pull", "service", "policy"},
	"mirror":        {"mirror", "registry", "proxy", "network.extra_hosts", "pull"},
	"privilege": {
		"sidecar", "job", "services", "helper", "service", "network", "proxy", "registry", "limits", "pull", "gvisor",
		"cache", "pool.job_timeout", "policy",
	},
}

// lacks names a key at fault that a check needs, or returns "".
func (v *Host) lacks(check string) string {
	if check == "settings" {
		return ""
	}
	if v.unread {
		return "settings"
	}
	if key := v.partial.Broken(reads[check]...); key != "" {
		return key + " of the settings"
	}
	return ""
}

// checkSettings reports each fault of the settings' file. The sound keys serve for the
// other checks.
func (v *Host) checkSettings() []doctor.Finding {
	p, err := config.LoadPartly(v.SettingsFile)
	if err != nil {
		v.unread = true
		return []doctor.Finding{doctor.Of("settings", doctor.Error, err)}
	}
	v.settings, v.partial = p.Settings, p
	var found []doctor.Finding
	for _, fault := range p.Faults {
		found = append(found, doctor.Of("settings", doctor.Error, fault))
	}
	if len(p.Warnings) > 0 {
		found = append(found, doctor.Doubt("settings", "change them in the file: names of before still serve, for now", "%s", strings.Join(p.Warnings, "; ")))
	}
	if len(found) > 0 {
		return found
	}
	if v.SettingsFile == "" {
		if _, err := os.Stat(config.DefaultPath); err != nil {
			return []doctor.Finding{doctor.Fine("settings", "the defaults: there is no %s", config.DefaultPath)}
		}
	}
	return []doctor.Finding{doctor.Fine("settings", "no fault in them")}
}
