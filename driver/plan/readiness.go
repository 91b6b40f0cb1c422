package plan

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// ServicesReady says how long services may take to become ready, and whether a job may
// begin without them.
type ServicesReady struct {
	// Timeout is for each service, from its start; 0 means no wait.
	Timeout time.Duration
	// Required ends the job if a service is not ready; otherwise the job log gets a
	// warning.
	Required bool
}

// Check says how to find out whether a service is ready. If both fields are empty, there is
// no way to know, and nobody waits.
type Check struct {
	// Test is the command of the image's HEALTHCHECK, to be run in the service.
	Test []string
	// Ports are TCP ports. A single answering port is enough, since some exposed ports are
	// used only in some configurations of an image.
	Ports []int
}

// portVariable is the variable by which a pipeline names a service's port.
const portVariable = "HEALTHCHECK_TCP_PORT"

// maxPorts is how many ports are tried, the lowest first.
const maxPorts = 20

// CheckOf decides how a service is checked: by the pipeline's port, else by the image's
// HEALTHCHECK, else by the image's exposed ports ("6379/tcp"). test and shell are in the
// form of Docker's image description.
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
