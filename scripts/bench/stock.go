package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"gitlab-dind-executor/test/rig"
)

type tlsMode bool

const (
	withTLS    tlsMode = true
	withoutTLS tlsMode = false
)

// stock is docker:dind as documented, by hand with the docker command. The images' entrypoints
// are their own.
//
// As in GitLab's documentation, the client gets the daemon's address. Otherwise the entrypoint
// of docker:cli would choose port 2375 until the daemon has written its certificates, and the
// script would wait in vain.
type stock struct {
	name   string
	labels []string
	// daemon and job are the arguments of docker run.
	daemon, job []string
}

// newStock makes the volumes before the clock starts. docker run itself would make them without
// labels.
func (b *bench) newStock(ctx context.Context, mode tlsMode) (*stock, error) {
	labels, err := rig.Labels("bench")
	if err != nil {
		return nil, err
	}
	s := &stock{name: rig.UniqueName("bench")}
	for key, value := range labels {
		s.labels = append(s.labels, "--label", key+"="+value)
	}
	var volumes []string
	s.daemon = s.container("dind", "-d", "--privileged", "--network-alias", "docker")
	s.job = s.container("job", "--rm")
	if mode == withTLS {
		volumes = []string{"ca", "client"}
		s.daemon = append(s.daemon, "-e", "DOCKER_TLS_CERTDIR=/certs",
			"-v", s.name+"-ca:/certs/ca", "-v", s.name+"-client:/certs/client", rig.ImageDind)
		s.job = append(s.job, "-e", "DOCKER_HOST=tcp://docker:2376", "-e", "DOCKER_TLS_CERTDIR=/certs",
			"-e", "DOCKER_TLS_VERIFY=1", "-e", "DOCKER_CERT_PATH=/certs/client", "-v", s.name+"-client:/certs/client:ro")
	} else {
		s.daemon = append(s.daemon, "-e", "DOCKER_TLS_CERTDIR=", rig.ImageDind, "--tls=false")
		s.job = append(s.job, "-e", "DOCKER_TLS_CERTDIR=", "-e", "DOCKER_HOST=tcp://docker:2375")
	}
	for _, v := range volumes {
		args := append(append([]string{"volume", "create"}, s.labels...), s.name+"-"+v)
		if err := runCommand(command(ctx, "docker", args...)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// container begins a docker run in the network.
func (s *stock) container(role string, more ...string) []string {
	args := append([]string{"run", "--name", s.name + "-" + role, "--network", s.name}, s.labels...)
	return append(args, more...)
}

// boot makes the network and the daemon.
func (s *stock) boot(ctx context.Context) error {
	args := append(append([]string{"network", "create"}, s.labels...), s.name)
	if err := runCommand(command(ctx, "docker", args...)); err != nil {
		return err
	}
	return runCommand(command(ctx, "docker", s.daemon...))
}

// untilReady is the job's script where the script must wait for the daemon. The daemon is ready
// when docker answers.
const untilReady = "until docker version >/dev/null 2>&1; do sleep 0.1; done"

// byHand measures docker:dind from the network to the first line.
func (b *bench) byHand(key string, mode tlsMode) func(context.Context, note) error {
	return func(ctx context.Context, n note) (err error) {
		s, err := b.newStock(ctx, mode)
		if s != nil {
			defer func() { err = errors.Join(err, b.remove(ctx, s.name)) }()
		}
		if err != nil {
			return err
		}
		start := time.Now()
		if err := s.boot(ctx); err != nil {
			return err
		}
		took, err := timed(ctx, start, append(s.job, rig.ImageCLI, "sh", "-c", untilReady+"; echo '"+firstLine+"'")...)
		if err != nil {
			return fmt.Errorf("%w; the daemon said: %s", err, lastLines(ctx, s.name+"-dind"))
		}
		n(key, ms(took))
		return nil
	}
}

// lastLines are the last three lines of a container's output.
func lastLines(ctx context.Context, container string) []byte {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	out, _ := command(ctx, "docker", "logs", "--tail", "3", container).CombinedOutput()
	return bytes.TrimSpace(out)
}

// bare measures the time of a container of the job's image alone.
func (b *bench) bare(ctx context.Context, n note) (err error) {
	labels, err := rig.Labels("bench")
	if err != nil {
		return err
	}
	name := rig.UniqueName("bench")
	defer func() { err = errors.Join(err, b.remove(ctx, name)) }()
	args := []string{"run", "--rm", "--name", name}
	for key, value := range labels {
		args = append(args, "--label", key+"="+value)
	}
	took, err := timed(ctx, time.Now(), append(args, rig.ImageCLI, "echo", firstLine)...)
	if err == nil {
		n("D", ms(took))
	}
	return err
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

// took runs a command and returns its duration.
func took(cmd *exec.Cmd) (time.Duration, error) {
	start := time.Now()
	err := runCommand(cmd)
	return time.Since(start), err
}
