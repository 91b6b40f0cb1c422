package plan

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// endpoint is what a DOCKER_HOST names.
type endpoint struct {
	// set is false for an empty one.
	set bool
	// scheme is for instance "tcp" or "unix".
	scheme string
	// host is in lower case, without a dot at its end.
	host, port string
	path       string
}

// endpointOf reads a DOCKER_HOST as docker's client does: what has no scheme is
// tcp, and without a host it is this one. Nonsense has neither scheme nor port.
func endpointOf(text string) endpoint {
	text = strings.TrimSpace(text)
	if text == "" {
		return endpoint{}
	}
	if !strings.Contains(text, "://") {
		text = "tcp://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return endpoint{set: true}
	}
	return endpoint{
		set: true, scheme: strings.ToLower(u.Scheme), port: u.Port(), path: u.Path,
		host: strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")),
	}
}

// networked are the schemes of daemons that listen at a port.
var networked = []string{"tcp", "http", "https"}

// local tells whether an endpoint names the container that the client runs in.
func (e endpoint) local() bool {
	addr, err := netip.ParseAddr(e.host)
	return e.host == "" || e.host == "localhost" || strings.HasSuffix(e.host, ".localhost") ||
		err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}

// elsewhere tells whether an endpoint is none of a daemon with those names. Where a
// script forwards a port of its own container to the daemon, that is one with TLS
// if it says so: without TLS it may as well be a tunnel to another host.
func (e endpoint) elsewhere(names []string) bool {
	switch {
	case !e.set:
		return false
	case !slices.Contains(networked, e.scheme):
		return true
	case e.local():
		return e.port != "2376"
	}
	return !slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, e.host) })
}

// hostSockets are where the socket of a host's engine is mounted by habit.
var hostSockets = []string{"", "/", "/var/run/docker.sock", "/run/docker.sock"}

// warnings are about endpoints that lead nowhere in a job.
func (e endpoint) warnings() []string {
	switch {
	case e.scheme == "unix" && e.host == "" && slices.Contains(hostSockets, e.path):
		return []string{`this job has no docker socket: remove DOCKER_HOST: "unix://` + e.path +
			`" from the pipeline's variables, and docker finds the daemon of this job`}
	case slices.Contains(networked, e.scheme) && e.local() && (e.port == "2375" || e.port == ""):
		return []string{"DOCKER_HOST names the job's own container, where nothing listens unless the script sees to it; " +
			"without DOCKER_HOST docker finds the daemon of this job"}
	}
	return nil
}
