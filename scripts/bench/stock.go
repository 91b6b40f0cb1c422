package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"gitlab-dind-executor/test/rig"
)

const (
	stockTLS   = "A"
	stockPlain = "B"
	bareRun    = "D"
)

// untilReady is the job's script: the daemon is there when docker answers.
const untilReady = "until docker version >/dev/null 2>&1; do sleep 0.1; done; echo '" + firstLine + "'"

type tlsMode bool

const (
	withTLS    tlsMode = true
	withoutTLS tlsMode = false
)

// stock measures docker:dind as its documentation has it, by hand with the
// docker command: a network, the daemon, a client. The images' entrypoints are
// their own.
//
// The client is told where the daemon is, as GitLab's documentation does: left
// to itself, the entrypoint of docker:cli settles for port 2375 as long as the
// daemon has not written its certificates, and the script would wait in vain.
func (b *bench) stock(mode tlsMode) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (took time.Duration, err error) {
		name := b.unique()
		defer func() { err = errors.Join(err, b.remove(ctx, name)) }()
		daemon := []string{"run", "-d", "--privileged", "--name", name + "-dind", "--network", name, "--network-alias", "docker"}
		job := []string{"run", "--rm", "--name", name + "-job", "--network", name}
		if mode == withTLS {
			daemon = append(daemon, "-e", "DOCKER_TLS_CERTDIR=/certs",
				"-v", name+"-ca:/certs/ca", "-v", name+"-client:/certs/client", rig.ImageDind)
			job = append(job, "-e", "DOCKER_HOST=tcp://docker:2376", "-e", "DOCKER_TLS_CERTDIR=/certs",
				"-e", "DOCKER_TLS_VERIFY=1", "-e", "DOCKER_CERT_PATH=/certs/client", "-v", name+"-client:/certs/client:ro")
		} else {
			daemon = append(daemon, "-e", "DOCKER_TLS_CERTDIR=", rig.ImageDind, "--tls=false")
			job = append(job, "-e", "DOCKER_TLS_CERTDIR=", "-e", "DOCKER_HOST=tcp://docker:2375")
		}

		start := time.Now()
		if err := runCommand(command(ctx, "docker", "network", "create", name)); err != nil {
			return 0, err
		}
		if err := runCommand(command(ctx, "docker", daemon...)); err != nil {
			return 0, err
		}
		took, err = timed(ctx, start, append(job, rig.ImageCLI, "sh", "-c", untilReady)...)
		if err != nil {
			err = fmt.Errorf("%w; the daemon said: %s", err, lastLines(ctx, name+"-dind"))
		}
		return took, err
	}
}

// lastLines are the last that a container has printed.
func lastLines(ctx context.Context, container string) []byte {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	out, _ := command(ctx, "docker", "logs", "--tail", "3", container).CombinedOutput()
	return bytes.TrimSpace(out)
}

// bare measures what a container alone takes, with no daemon at all.
func (b *bench) bare(ctx context.Context) (took time.Duration, err error) {
	name := b.unique()
	defer func() { err = errors.Join(err, b.remove(ctx, name)) }()
	return timed(ctx, time.Now(), "run", "--rm", "--name", name, rig.ImageCLI, "echo", firstLine)
}

// timed runs the docker command and returns the time from start to its line.
func timed(ctx context.Context, start time.Time, args ...string) (time.Duration, error) {
	var clock lineClock
	cmd := command(ctx, "docker", args...)
	cmd.Stdout = &clock
	err := runCommand(cmd)
	if ctx.Err() != nil {
		return 0, fmt.Errorf("the line did not come in time: %w", ctx.Err())
	}
	if err != nil {
		return 0, err
	}
	return clock.since(start)
}
