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

// Version is what an engine says of its release.
type Version struct{ Version, API, OS, Arch string }

// Platform is the engine's own, os/arch.
func (v Version) Platform() string { return v.OS + "/" + v.Arch }

// OlderThan tells whether its API is before another.
func (v Version) OlderThan(api string) bool { return Older(v.API, api) }

// Version asks the engine for it.
func (e *Engine) Version(ctx context.Context) (Version, error) {
	v, err := e.api.ServerVersion(ctx)
	return Version{Version: v.Version, API: v.APIVersion, OS: v.Os, Arch: v.Arch}, err
}

// Info is what an engine says of itself and its host.
type Info struct {
	// DataRoot is where it keeps its data.
	DataRoot string
	// StorageDriver is as in overlay2, and Filesystem what lies below it.
	StorageDriver, Filesystem   string
	CgroupVersion, CgroupDriver string
	// Rootless says that the engine itself runs without root, Remapped that it gives
	// containers a user namespace, Experimental that it has its experiments, and
	// Nftables that it uses these instead of iptables.
	Rootless, Remapped, Experimental, Nftables bool
	// Runtimes are in order. RuntimeArguments are those of runtimes for which the
	// engine tells them.
	Runtimes         []string
	RuntimeArguments map[string][]string
	CPUs             int
	// Memory is in bytes.
	Memory int64
	// Clock is its own; zero if it does not tell.
	Clock time.Time

	registries *dockerregistry.ServiceConfig
}

// Info asks the engine for it.
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
	// Drivers that need a filesystem of their own do not tell it.
	for _, status := range info.DriverStatus {
		if status[0] == "Backing Filesystem" {
			one.Filesystem = status[1]
		}
	}
	one.RuntimeArguments = map[string][]string{}
	for name, r := range info.Runtimes {
		one.Runtimes = append(one.Runtimes, name)
		if r.Path != "" { // else it is a shim, whose own file has them
			one.RuntimeArguments[name] = r.Args
		}
	}
	slices.Sort(one.Runtimes)
	return one, nil
}

// Trusts tells whether the engine is told to trust a registry without a look at its
// certificate.
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
