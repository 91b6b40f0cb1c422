package config

import (
	"net/netip"
	"time"
)

// Default returns the settings of a host without a settings file. default.toml documents
// the defaults and parses to exactly this value.
func Default() Settings {
	return Settings{
		Sidecar: Sidecar{
			Image:            "docker:dind",
			AllowedImages:    []string{"docker.io/library/docker:*", "docker.io/library/docker@*"},
			RootlessVariants: []string{"docker.io/library/docker", "**/dependency_proxy/containers/docker"},
			Arguments:        []string{},
			Privilege:        PrivilegePrivileged,
			Commands:         CommandsAny,
			RegistryMirrors:  []string{},
			Plaintext:        PlaintextWarn,
			ClientKey:        ClientKeyECDSA,
			FastBoot:         true,
			ReadyTimeout:     Duration(time.Minute),
		},
		GVisor: GVisor{Storage: StorageMemory, Size: 4 << 30},
		Job: Job{
			Image:         "docker:latest",
			AllowedImages: []string{},
			StartEarly:    []string{"docker.io/library/docker:*", "docker.io/library/docker@*"},
			Container:     noContainer(),
			AllowedUsers:  []string{},
			GroupAdd:      []string{},
			Rights:        Rights{CapAdd: []string{}, SecurityOpt: []string{}, Devices: []string{}, DeviceCgroupRules: []string{}},
		},
		Services: Services{
			AllowedImages: []string{},
			Max:           32,
			ReadyTimeout:  Duration(30 * time.Second),
			Container:     noContainer(),
			ServiceRights: ServiceRights{SecurityOpt: []string{}, Devices: map[string][]string{}},
		},
		Helper: Helper{
			Image: "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:{arch}-v{version}",
		},
		Cache: Cache{
			Volume:     true,
			Paths:      []string{},
			Layers:     LayersProject,
			SeedImages: []string{},
			MaxSize:    20 << 30,
			MaxAge:     Duration(14 * 24 * time.Hour),
		},
		Pool: Pool{MaxAge: Duration(4 * time.Hour), JobTimeout: Duration(3 * time.Hour)},
		Pull: Pull{
			Policy:            []string{PullAlways},
			AllowedPolicies:   []string{},
			Attempts:          3,
			CredentialHelpers: []string{},
			Parallel:          3,
			MaxSize:           20 << 30,
			Timeout:           Duration(30 * time.Minute),
			Prepull:           []string{},
		},
		Mirror: Mirror{
			Image:   "registry:2",
			Remote:  "https://registry-1.docker.io",
			MaxSize: 20 << 30,
		},
		Network: Network{
			Pool:       netip.MustParsePrefix("10.231.0.0/16"),
			SubnetBits: 26,
			InnerPools: []netip.Prefix{
				netip.MustParsePrefix("10.232.0.0/16"),
				netip.MustParsePrefix("172.29.0.0/16"),
				netip.MustParsePrefix("192.168.128.0/17"),
			},
			DNS:        []netip.Addr{},
			DNSSearch:  []string{},
			ExtraHosts: []string{},
			Pool6:      netip.MustParsePrefix("fd6b:3f2a:91c7::/48"),
		},
		Admission: Admission{
			MinFreeDisk:   2 << 30,
			MinFreeMemory: 512 << 20,
			Wait:          Duration(5 * time.Minute),
		},
		Cleanup: Cleanup{
			Grace:   Duration(10 * time.Minute),
			Timeout: Duration(2 * time.Minute),
		},
		Bundles: Bundles{
			MaxAge: Duration(24 * time.Hour),
		},
		Log: Log{Level: LogInfo, MaxSize: 10 << 20, MaxFiles: 3},
	}
}
