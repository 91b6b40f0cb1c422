package plan

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// ServicesReady says how long services may take until they are ready, and what
// it means when they are not.
type ServicesReady struct {
	// Timeout is for each service, from its start; 0 means that nobody waits.
	Timeout time.Duration
	// Required ends the job; otherwise it is a warning.
	Required bool
}

// Check is how it is known that a service is ready. Without both there is no
// way to know, and nobody waits.
type Check struct {
	// Test is the command of the image's HEALTHCHECK, to be run in the service.
	Test []string
	// Ports of TCP: one that answers is enough, since images expose ports that
	// only some of their configurations use.
	Ports []int
}

// portVariable is a service's variable by which a pipeline names the port.
const portVariable = "HEALTHCHECK_TCP_PORT"

// maxPorts bounds how many ports are tried, the lowest first.
const maxPorts = 20

// CheckOf decides how a service is checked: by the port that the pipeline
// names, else by the image's HEALTHCHECK, else by the ports that it exposes
// ("6379/tcp"). test and shell are as Docker writes them in an image.
func CheckOf(service Container, test, shell, exposed []string) Check {
	for _, v := range slices.Backward(service.Environment) {
		if key, value, _ := strings.Cut(v, "="); key == portVariable {
			if port, err := strconv.ParseUint(value, 10, 16); err == nil && port > 0 {
				return Check{Ports: []int{int(port)}}
			}
			break
		}
	}
	if len(test) > 1 {
		switch test[0] {
		case "CMD":
			return Check{Test: test[1:]}
		case "CMD-SHELL":
			if len(shell) == 0 {
				shell = []string{"/bin/sh", "-c"}
			}
			return Check{Test: append(slices.Clone(shell), test[1])}
		}
	}
	var ports []int
	for _, e := range exposed {
		number, protocol, _ := strings.Cut(e, "/")
		if port, err := strconv.ParseUint(number, 10, 16); err == nil && port > 0 && (protocol == "tcp" || protocol == "") {
			ports = append(ports, int(port))
		}
	}
	slices.Sort(ports)
	return Check{Ports: ports[:min(len(ports), maxPorts)]}
}
