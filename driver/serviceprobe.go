package driver

import (
	"context"
	_ "embed" // dialScript
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

const (
	// healthEvery is how often the engine is asked for a service's health, and the pause
	// between two checks of our own.
	healthEvery = 250 * time.Millisecond
	// healthTimeout limits a check of our own.
	healthTimeout = 10 * time.Second
	// dialEvery is the pause between two rounds over a service's ports.
	dialEvery = 20 * time.Millisecond
	// dialTimeout limits a dial: within a host an answer comes at once.
	dialTimeout = 250 * time.Millisecond
)

// pollHealth closes ready when the health check of a service succeeds. The
// engine's own first look comes only after an interval, by default of 30 s, so
// the check is run from here as well.
func (w *serviceWait) pollHealth(ctx context.Context, test []string, ready chan<- struct{}) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		c, err := w.d.eng.Container(ctx, w.id)
		if err == nil && c.Healthy {
			close(ready)
			return
		}
		attempt, cancel := context.WithTimeout(ctx, healthTimeout)
		code, err := w.d.eng.Run(attempt, w.id, test, nil, io.Discard)
		cancel()
		if err == nil && code == 0 {
			close(ready)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// pollPorts closes ready when a port of a service takes a connection. It dials from this
// process where the sandbox's network can be reached, otherwise from the helper.
func (w *serviceWait) pollPorts(ctx context.Context, ip string, ports []int, ready chan<- struct{}) {
	if w.dialPorts(ctx, ip, ports) || w.dialFromHelper(ctx, ip, ports) {
		close(ready)
	}
}

// dialPorts dials until a port answers. It returns false when ctx ends, or when no port
// ever even refuses, as for a Runner in a container.
func (w *serviceWait) dialPorts(ctx context.Context, ip string, ports []int) bool {
	if !w.d.eng.Local() {
		return false
	}
	start, reached := time.Now(), false
	dialer := net.Dialer{Timeout: dialTimeout}
	tick := time.NewTicker(dialEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		for _, port := range ports {
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
			if err == nil {
				_ = conn.Close()
				return true
			}
			reached = reached || errors.Is(err, syscall.ECONNREFUSED)
		}
		if !reached && time.Since(start) > boot.UnreachableAfter {
			return false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return false
}

// dialScript tries ports from inside a container.
//
//go:embed dial.sh
var dialScript string

// noDialer is the script's exit code in a container without a program that dials.
const noDialer = 42

// dialFromHelper dials from the helper, which is in the same network. If the helper has no
// program for it, nothing can be known, and the service counts as ready.
func (w *serviceWait) dialFromHelper(ctx context.Context, ip string, ports []int) bool {
	command := []string{"sh", "-c", dialScript, ip}
	for _, port := range ports {
		command = append(command, fmt.Sprint(port))
	}
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		code, err := w.d.eng.Run(ctx, label.ObjectName(w.sandbox, plan.RoleHelper), command, nil, io.Discard)
		if err == nil && (code == 0 || code == noDialer) {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return false
}
