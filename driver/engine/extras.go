package engine

import (
	"cmp"
	"maps"
	"net/netip"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"gitlab-dind-executor/driver/plan"
)

// extend translates the settings' extras for a container.
func extend(s *Spec, c plan.Container) {
	x, host := c.Extras, s.host
	host.DNS, host.DNSSearch = addresses(c.DNS), c.DNSSearch
	if len(x.Tmpfs) > 0 {
		tmpfs := maps.Clone(x.Tmpfs)
		maps.Copy(tmpfs, host.Tmpfs)
		host.Tmpfs = tmpfs
	}
	host.ShmSize, host.Sysctls, host.GroupAdd, host.OomScoreAdj = x.ShmSize, x.Sysctls, x.GroupAdd, x.OOMScore
	for _, u := range x.Ulimits {
		host.Ulimits = append(host.Ulimits, &container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for name, value := range x.LogOptions {
		if _, ours := host.LogConfig.Config[name]; !ours { // our own options bound the log
			host.LogConfig.Config[name] = value
		}
	}
	for _, endpoint := range s.network.EndpointsConfig {
		endpoint.MacAddress = x.MAC
	}
}

// addresses are in the form that the engine takes.
func addresses(list []netip.Addr) []string {
	var texts []string
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return texts
}

// macSince is the version of the API that takes a MAC address with a network.
const macSince = "1.44"

// withMAC moves a MAC address to the place where the engine's version looks.
func (e *Engine) withMAC(s Spec) Spec {
	if s.network == nil || e.Speaks(macSince) {
		return s
	}
	for name, endpoint := range s.network.EndpointsConfig {
		if endpoint.MacAddress == "" {
			continue
		}
		config, bare := *s.config, *endpoint
		//lint:ignore SA1019 engines before 25.0 know no other place
		config.MacAddress, bare.MacAddress = endpoint.MacAddress, ""
		s.config = &config
		s.network = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{name: &bare}}
	}
	return s
}

// resources are a container's limits. Unless the settings say otherwise, memory and swap together
// are as much as memory alone. Else a leak would go on in the swap.
func resources(l plan.Limits) container.Resources {
	r := container.Resources{
		NanoCPUs: l.NanoCPUs, Memory: l.Memory, MemorySwap: cmp.Or(l.MemorySwap, l.Memory), MemoryReservation: l.MemoryReservation,
		CPUShares: l.CPUShares, CpusetCpus: l.CPUSetCPUs, CpusetMems: l.CPUSetMems, CgroupParent: l.CgroupParent,
	}
	if l.PIDs > 0 {
		r.PidsLimit = &l.PIDs
	}
	return r
}
