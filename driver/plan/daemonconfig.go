package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/fault"
)

// daemonConfig returns the daemon.json for an inner daemon of any version. Fit removes keys
// that its version does not know.
func (pl *planner) daemonConfig(inner inner) map[string]any {
	s := pl.s
	mtu := mtu(s.Network, pl.facts)
	c := map[string]any{
		"bip":                   inner.bip.String(),
		"default-address-pools": []map[string]any{{"base": inner.pool.String(), "size": inner.size}},
		// mtu concerns the default bridge alone.
		"mtu":                  mtu,
		"default-network-opts": map[string]any{"bridge": map[string]string{"com.docker.network.driver.mtu": strconv.Itoa(mtu)}},
	}
	var dns, insecure []string
	for _, a := range firstNonEmpty(s.Network.DNS, pl.facts.DNS) {
		dns = append(dns, a.String())
	}
	for _, host := range slices.Sorted(maps.Keys(s.Registry)) {
		if s.Registry[host].Insecure {
			insecure = append(insecure, host)
		}
	}
	for key, list := range map[string][]string{
		"dns": dns, "insecure-registries": insecure, "registry-mirrors": s.Sidecar.RegistryMirrors,
	} {
		if len(list) > 0 {
			c[key] = list
		}
	}
	if s.Network.IPv6 {
		c["ipv6"] = true
		c["fixed-cidr-v6"] = inner6(s.Network.Pool6).String()
		// From 27 on both are the default, and the second has no meaning any more.
		c["ip6tables"] = true
		c["experimental"] = true
	}
	return c
}

// flagged maps flags of dockerd to the keys of daemon.json that they set, for the keys that
// this program may write.
var flagged = map[string]string{
	"--bip": "bip", "--bridge": "bip", "-b": "bip",
	"--default-address-pool": "default-address-pools",
	"--default-network-opt":  "default-network-opts",
	"--dns":                  "dns",
	"--experimental":         "experimental",
	"--fixed-cidr-v6":        "fixed-cidr-v6",
	"--insecure-registry":    "insecure-registries",
	"--ip6tables":            "ip6tables",
	"--ipv6":                 "ipv6",
	"--mtu":                  "mtu",
	"--registry-mirror":      "registry-mirrors",
	"--storage-driver":       "storage-driver", "-s": "storage-driver",
}

// dropFlagged removes the keys of a daemon.json that the command sets by flag. dockerd
// refuses to start if a setting is in both, or with a bip beside another bridge.
func dropFlagged(daemonConfig map[string]any, command []string) {
	for _, arg := range command {
		flag, _, _ := strings.Cut(arg, "=")
		if short, _ := ShortFlag(arg); short != "" {
			flag = short
		}
		delete(daemonConfig, flagged[flag])
	}
}

// knownSince maps a key to the first release that accepts it. Earlier releases do not start
// with an unknown key.
var knownSince = map[string]Version{
	"default-address-pools": {18, 6},
	"ip6tables":             {20, 10},
	"default-network-opts":  {24, 0},
}

// KeySetBy returns the key of daemon.json that a flag of dockerd sets, if this program may
// write this key; otherwise "".
func KeySetBy(flag string) string { return flagged[flag] }

// OurKey tells whether a key of daemon.json may come from this program.
func OurKey(key string) bool {
	for _, ours := range flagged {
		if ours == key {
			return true
		}
	}
	return false
}

// dropUnknown removes keys and values of a daemon.json that a release of dockerd refuses.
func dropUnknown(daemonConfig map[string]any, version Version) {
	for key, since := range knownSince {
		if version.Before(since.Major, since.Minor) {
			delete(daemonConfig, key)
		}
	}
	if mirrors, ok := daemonConfig["registry-mirrors"].([]string); ok && version.Before(24, 0) {
		// Before 24 a mirror with a path keeps dockerd from starting.
		mirrors = slices.DeleteFunc(slices.Clone(mirrors), func(m string) bool {
			u, err := url.Parse(m)
			return err != nil || strings.Trim(u.Path, "/") != ""
		})
		daemonConfig["registry-mirrors"] = mirrors
	}
}

// MergeDaemonConfig returns the image's own daemon.json with our values as defaults. The
// image's values win: an admin who builds an image knows better. The result is nil if there
// is nothing to write.
func MergeDaemonConfig(ours map[string]any, image []byte) ([]byte, error) {
	merged := map[string]any{}
	maps.Copy(merged, ours)
	if len(image) > 0 {
		var theirs map[string]any
		if err := json.Unmarshal(image, &theirs); err != nil {
			return nil, fault.Job(fmt.Errorf("/etc/docker/daemon.json of the dind image: %w", err),
				"mend the file in the image")
		}
		maps.Copy(merged, theirs)
	}
	if len(merged) == 0 {
		return nil, nil
	}
	return json.MarshalIndent(merged, "", "  ")
}
