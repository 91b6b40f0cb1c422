package plan

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// ShellMarker is the line by which the job container says that its ENTRYPOINT
// has reached the shell, which now waits for the script.
const ShellMarker = "gitlab-dind-executor: shell is ready"

// DetectShell becomes bash where there is one, else sh, with the script on
// stdin.
const DetectShell = `for s in /usr/local/bin/bash /usr/bin/bash /bin/bash; do [ -x "$s" ] && exec "$s"; done; exec sh`

// idle keeps the helper alive between stages and gives it the name by which
// scripts call the Runner's helper. The official image has another one only.
const idle = `command -v gitlab-runner >/dev/null || { ` +
	`mkdir -p /usr/local/bin && ln -sf "$(command -v gitlab-runner-helper)" /usr/local/bin/gitlab-runner; } 2>/dev/null; ` +
	`exec tail -f /dev/null`

// certificateSlack keeps certificates valid for the after_script of a job that
// used up its time, and for a clock that is off.
const certificateSlack = time.Hour

func sidecar(s config.Settings, job Job, facts Facts, declared *Service, conn connection,
	inner inner, imageRef func(Image) ImageRef,
) (Sidecar, error) {
	svc := Service{Image: Image{Name: s.Sidecar.Image}}
	if declared != nil {
		svc = *declared
	}
	if err := checkName(svc.Name, "services"); err != nil {
		return Sidecar{}, err
	}
	// The admin's own default needs no second permission.
	if declared != nil && svc.Name != s.Sidecar.Image && !allowed(s.Sidecar.AllowedImages, svc.Name) {
		return Sidecar{}, fault.Job(
			fmt.Errorf("image %s may not be the docker daemon of a job on this runner", svc.Name),
			fmt.Sprintf("ask the runner's admin to add %q to sidecar.allowed_images, or use %s", normalised(svc.Name), s.Sidecar.Image))
	}
	names := aliases(svc)
	if !contains(names, dockerAlias) {
		names = append([]string{dockerAlias}, names...)
	}
	sc := Sidecar{
		Container: Container{
			Role: RoleSidecar, Image: imageRef(svc.Image), Entrypoint: svc.Entrypoint, User: svc.User,
			Aliases: names, DataPath: "/var/lib/docker", Privileged: true,
		},
		DaemonConfig: map[string]any{
			"bip":                   inner.bip.String(),
			"default-address-pools": []map[string]any{{"base": inner.pool.String(), "size": inner.size}},
		},
		RegistryCAs:  facts.RegistryCAs,
		FastBoot:     s.Sidecar.FastBoot,
		ReadyTimeout: s.Sidecar.ReadyTimeout.Std(),
	}
	if dns := firstNonEmpty(s.Network.DNS, facts.DNS); len(dns) > 0 {
		var list []string
		for _, a := range dns {
			list = append(list, a.String())
		}
		sc.DaemonConfig["dns"] = list
	}
	for _, v := range svc.Variables {
		if v.Key != "DOCKER_TLS_CERTDIR" && v.Key != "DOCKER_HOST" {
			sc.Environment = append(sc.Environment, v.Key+"="+v.Value)
		}
	}
	args := s.Sidecar.Arguments
	if conn.tls {
		sc.Port = tlsPort
		sc.TLS = &TLS{
			Names:    append([]string{"localhost"}, names...),
			Lifetime: job.Timeout + s.Cleanup.Grace.Std() + certificateSlack,
		}
		sc.Environment = append(sc.Environment, "DOCKER_TLS_CERTDIR="+certDir)
	} else {
		sc.Port = plaintextPort
		sc.Environment = append(sc.Environment, "DOCKER_TLS_CERTDIR=")
		if !contains(svc.Command, "--tls=false") {
			args = append([]string{"--tls=false"}, args...)
		}
	}
	sc.Command = withArguments(svc.Command, args)
	return sc, nil
}

// withArguments puts our dockerd arguments before the job's own, so that the
// job's win. A command that starts something else is left alone.
func withArguments(command, args []string) []string {
	switch {
	case len(args) == 0:
		return command
	case len(command) == 0 || strings.HasPrefix(command[0], "-"):
		return append(append([]string{}, args...), command...)
	case path.Base(command[0]) == "dockerd" || path.Base(command[0]) == "dockerd-entrypoint.sh":
		return append(append([]string{command[0]}, args...), command[1:]...)
	default:
		return command
	}
}

func helper(s config.Settings, job Job, facts Facts, imageRef func(Image) ImageRef) Container {
	name := s.Helper.Image
	if job.RunnerVersion == "" { // a development build: no image has its version
		name = strings.NewReplacer("v{version}", "latest", "{version}", "latest").Replace(name)
	}
	name = strings.NewReplacer("{version}", job.RunnerVersion, "{arch}", facts.Arch).Replace(name)
	return Container{
		Role: RoleHelper, Image: imageRef(Image{Name: name, PullPolicies: s.Pull.Policy}),
		Entrypoint: []string{"sh", "-c"}, Command: []string{idle},
	}
}

func jobContainer(s config.Settings, job Job, conn connection, imageRef func(Image) ImageRef) (JobContainer, error) {
	img := job.Image
	if img.Name == "" {
		img.Name = s.Job.Image
	}
	if err := checkName(img.Name, "image"); err != nil {
		return JobContainer{}, err
	}
	env := append([]string{}, conn.environment...)
	for _, v := range job.Variables {
		env = append(env, v.Key+"="+v.Value)
	}
	return JobContainer{
		Container: Container{
			Role: RoleJob, Image: imageRef(img), Entrypoint: img.Entrypoint, User: img.User,
			Command:     []string{"sh", "-c", "echo '" + ShellMarker + "'; " + DetectShell},
			Environment: env, Stdin: true,
		},
		CertDirs: conn.certDirs,
		Early:    allowed(s.Job.StartEarly, img.Name),
	}, nil
}

// image decides how an image is fetched: the pipeline's policies before the
// settings', and the first credential for the image's registry.
func image(pull config.Pull, creds []Credential, i Image) ImageRef {
	ref := ImageRef{Name: i.Name, Policies: i.PullPolicies, Platform: i.Platform}
	if len(ref.Policies) == 0 {
		ref.Policies = pull.Policy
	}
	named, err := reference.ParseNormalizedNamed(i.Name)
	if err != nil {
		return ref
	}
	for _, c := range creds {
		if registryHost(c.Host) == reference.Domain(named) {
			ref.Auth = &c
			break
		}
	}
	return ref
}

// registryHost takes the host out of the forms in which registries are named.
func registryHost(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
	host, _, _ := strings.Cut(s, "/")
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}

// dropFlagged takes those keys out of a daemon.json that the command sets by
// flag: dockerd refuses to start when it finds a setting in both, or a bip
// beside a bridge of one's own.
func dropFlagged(daemonConfig map[string]any, command []string) {
	flags := map[string]string{
		"--bip": "bip", "--bridge": "bip", "-b": "bip", "--default-address-pool": "default-address-pools", "--dns": "dns", "--mtu": "mtu",
	}
	for _, arg := range command {
		flag, _, _ := strings.Cut(arg, "=")
		delete(daemonConfig, flags[flag])
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func firstNonEmpty[T any](lists ...[]T) []T {
	for _, l := range lists {
		if len(l) > 0 {
			return l
		}
	}
	return nil
}

// mtu is what sandboxes and inner daemons use.
func mtu(n config.Network, facts Facts) int {
	switch {
	case n.MTU > 0:
		return n.MTU
	case facts.MTU > 0:
		return facts.MTU
	default:
		return 1500
	}
}

// Address is where the inner daemon listens, for a given host.
func (s Sidecar) Address(host string) string { return host + ":" + strconv.Itoa(s.Port) }
