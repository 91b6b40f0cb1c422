package engine

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	dockerregistry "github.com/docker/docker/api/types/registry"
)

// Version is the engine's release, and its own platform.
type Version struct{ Version, API, OS, Arch string }

// Platform is the engine's own, os/arch.
func (v Version) Platform() string { return v.OS + "/" + v.Arch }

// OlderThan tells whether the engine's API is before another version.
func (v Version) OlderThan(api string) bool { return Older(v.API, api) }

// Version asks the engine for its release.
func (e *Engine) Version(ctx context.Context) (Version, error) {
	v, err := e.api.ServerVersion(ctx)
	return Version{Version: v.Version, API: v.APIVersion, OS: v.Os, Arch: v.Arch}, err
}

// Info describes an engine and its host.
type Info struct {
	// DataRoot is the path of the engine's data on its host.
	DataRoot string
	// StorageDriver is as in overlay2, and Filesystem the file system below.
	StorageDriver, Filesystem   string
	CgroupVersion, CgroupDriver string
	// Rootless: the engine itself runs without root. Remapped: containers get a user namespace.
	// Experimental: the engine's experiments are on. Nftables: nftables replaces iptables.
	Rootless, Remapped, Experimental, Nftables bool
	// Runtimes are in order. RuntimeArguments are missing for a runtime whose arguments the
	// engine does not tell.
	Runtimes         []string
	RuntimeArguments map[string][]string
	CPUs             int
	// Memory is in bytes.
	Memory int64
	// Clock is the engine's time; zero if the engine does not tell.
	Clock time.Time

	registries *dockerregistry.ServiceConfig
}

// Info asks the engine to describe itself and its host.
func (e *Engine) Info(ctx context.Context) (Info, error) {
	info, err := e.api.Info(ctx)
	if err != nil {
		return Info{}, err
	}
	one := Info{
		DataRoot: info.DockerRootDir, StorageDriver: info.Driver, Filesystem: info.Driver,
		CgroupVersion: info.CgroupVersion, CgroupDriver: info.CgroupDriver,
		Rootless: slices.Contains(info.SecurityOptions, "name=rootless"), Remapped: slices.Contains(info.SecurityOptions, "name=userns"),
		Experimental: info.ExperimentalBuild,
		Nftables:     info.FirewallBackend != nil && strings.Contains(info.FirewallBackend.Driver, "nftables"),
		CPUs:         info.NCPU, Memory: info.MemTotal, Clock: moment(info.SystemTime), registries: info.RegistryConfig,
	}
	// A driver with a file system of its own does not name one.
	for _, status := range info.DriverStatus {
		if status[0] == "Backing Filesystem" {
			one.Filesystem = status[1]
		}
	}
	one.RuntimeArguments = map[string][]string{}
	for name, r := range info.Runtimes {
		one.Runtimes = append(one.Runtimes, name)
		if r.Path != "" { // a shim has its arguments in a file of its own
			one.RuntimeArguments[name] = r.Args
		}
	}
	slices.Sort(one.Runtimes)
	return one, nil
}

// Trusts tells whether the engine trusts a registry without a look at its certificate.
func (i Info) Trusts(ctx context.Context, host string) bool {
	if i.registries == nil {
		return false
	}
	if index, ok := i.registries.IndexConfigs[host]; ok && index != nil {
		return !index.Secure
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	return err == nil && slices.ContainsFunc(addrs, func(addr netip.Addr) bool {
		return inAny(i.registries.InsecureRegistryCIDRs, addr.Unmap())
	})
}

func inAny(ranges []*dockerregistry.NetIPNet, addr netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(r *dockerregistry.NetIPNet) bool {
		return r != nil && (*net.IPNet)(r).Contains(addr.AsSlice())
	})
}
