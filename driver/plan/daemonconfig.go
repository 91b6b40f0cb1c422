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

// daemonConfig is what the inner daemon of any version is told; Fit takes out
// what its version does not know.
func (pl *planner) daemonConfig(inner inner) map[string]any {
	s := pl.s
	mtu := mtu(s.Network, pl.facts)
	c := map[string]any{
		"bip":                   inner.bip.String(),
		"default-address-pools": []map[string]any{{"base": inner.pool.String(), "size": inner.size}},
		// mtu is for the default bridge alone.
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
		// Both are the default, and the second has no meaning any more, from 27 on.
		c["ip6tables"] = true
		c["experimental"] = true
	}
	return c
}

// flagged are the flags of dockerd that set what our daemon.json may set.
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

// dropFlagged takes those keys out of a daemon.json that the command sets by
// flag: dockerd refuses to start when it finds a setting in both, or a bip
// beside a bridge of one's own.
func dropFlagged(daemonConfig map[string]any, command []string) {
	for _, arg := range command {
		flag, _, _ := strings.Cut(arg, "=")
		if short, _ := ShortFlag(arg); short != "" {
			flag = short
		}
		delete(daemonConfig, flagged[flag])
	}
}

// knownSince tells the first release that takes a key; one before it does not
// start over a key that it does not know.
var knownSince = map[string]Version{
	"default-address-pools": {18, 6},
	"ip6tables":             {20, 10},
	"default-network-opts":  {24, 0},
}

// KeySetBy is the key of daemon.json, of those that we set, that a flag of dockerd
// sets too; "" if there is none.
func KeySetBy(flag string) string { return flagged[flag] }

// OurKey tells a key of daemon.json that may be of this program's making.
func OurKey(key string) bool {
	for _, ours := range flagged {
		if ours == key {
			return true
		}
	}
	return false
}

// dropUnknown takes out of a daemon.json what a release of dockerd does not
// take.
func dropUnknown(daemonConfig map[string]any, version Version) {
	for key, since := range knownSince {
		if version.Before(since.Major, since.Minor) {
			delete(daemonConfig, key)
		}
	}
	if mirrors, ok := daemonConfig["registry-mirrors"].([]string); ok && version.Before(24, 0) {
		// Before 24 a mirror with a path is refused, and so would the start be.
		mirrors = slices.DeleteFunc(slices.Clone(mirrors), func(m string) bool {
			u, err := url.Parse(m)
			return err != nil || strings.Trim(u.Path, "/") != ""
		})
		daemonConfig["registry-mirrors"] = mirrors
	}
}

// MergeDaemonConfig lays ours under the image's own daemon.json, whose values
// win: an admin who bakes an image knows better. It returns nil when there is
// nothing to write.
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
