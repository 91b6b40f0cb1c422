package plan

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// endpoint is a parsed DOCKER_HOST.
type endpoint struct {
	// set is false for an empty DOCKER_HOST.
	set bool
	// scheme is for example "tcp" or "unix".
	scheme string
	// host is in lower case, without a final dot.
	host, port string
	path       string
}

// endpointOf parses a DOCKER_HOST as docker's client does. Without a scheme it is tcp, and
// without a host it is local. An invalid text has neither scheme nor port.
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

// local tells whether an endpoint names the client's own container.
func (e endpoint) local() bool {
	addr, err := netip.ParseAddr(e.host)
	return e.host == "" || e.host == "localhost" || strings.HasSuffix(e.host, ".localhost") ||
		err == nil && (addr.Unmap().IsLoopback() || addr.IsUnspecified())
}

// elsewhere tells whether an endpoint belongs to none of the daemon's names. A local
// endpoint with port 2376 counts as the daemon: a script may forward this port. A local
// port without TLS may as well be a tunnel to another host.
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

// hostSockets are the usual mount paths of a host engine's socket.
var hostSockets = []string{"", "/", "/var/run/docker.sock", "/run/docker.sock"}

// warnings returns warnings about endpoints that lead nowhere in a job.
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
