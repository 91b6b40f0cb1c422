package plan

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestDockerdsArguments(t *testing.T) {
	ours := []string{"--tls=false"}
	for name, c := range map[string]struct {
		command, args, want []string
	}{
		"none of either":                        {nil, nil, nil},
		"the image's own command is kept":       {nil, []string{}, nil},
		"ours alone":                            {nil, ours, ours},
		"the job's alone":                       {[]string{"--mtu=1400"}, nil, []string{"--mtu=1400"}},
		"the job's come last, so that they win": {[]string{"--mtu=1400"}, ours, []string{"--tls=false", "--mtu=1400"}},
		"behind dockerd":                        {[]string{"dockerd", "--mtu=1400"}, ours, []string{"dockerd", "--tls=false", "--mtu=1400"}},
		"behind dockerd with a path":            {[]string{"/usr/local/bin/dockerd"}, ours, []string{"/usr/local/bin/dockerd", "--tls=false"}},
		"behind the official entrypoint":        {[]string{"dockerd-entrypoint.sh", "--debug"}, ours, []string{"dockerd-entrypoint.sh", "--tls=false", "--debug"}},
		"something else is left alone":          {[]string{"sh", "-c", "exec dockerd"}, ours, []string{"sh", "-c", "exec dockerd"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(c.args)
			got := withArguments(c.command, c.args)
			if diff := cmp.Diff(c.want, got, sameEmpty); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !slices.Equal(before, c.args) {
				t.Errorf("the arguments were changed to %q", c.args)
			}
		})
	}
}

var sameEmpty = cmp.Transformer("emptyIsNil", func(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return append([]string{}, s...)
})

func TestSidecarOfAJob(t *testing.T) {
	for name, c := range map[string]struct {
		service   *Service
		arguments []string
		image     string
		aliases   []string
		command   []string
		env       []string
		port      int
	}{
		"the default, if none is declared": {
			image: "docker:dind", aliases: []string{"docker"}, env: []string{"DOCKER_TLS_CERTDIR=/certs"}, port: 2376,
		},
		"the declared one": {
			service: &Service{Image: Image{Name: "docker:28-dind"}},
			image:   "docker:28-dind", aliases: []string{"docker"}, env: []string{"DOCKER_TLS_CERTDIR=/certs"}, port: 2376,
		},
		"an alias of its own comes beside docker": {
			service: &Service{Image: Image{Name: "docker:28-dind"}, Aliases: []string{"dind", "daemon"}},
			image:   "docker:28-dind", aliases: []string{"docker", "dind", "daemon"}, env: []string{"DOCKER_TLS_CERTDIR=/certs"}, port: 2376,
		},
		"the settings' arguments come before the service's": {
			service: &Service{Image: Image{Name: "docker:28-dind"}, Command: []string{"--debug"}}, arguments: []string{"--mtu=1400"},
			image: "docker:28-dind", aliases: []string{"docker"}, command: []string{"--mtu=1400", "--debug"},
			env: []string{"DOCKER_TLS_CERTDIR=/certs"}, port: 2376,
		},
		"plaintext says so to dockerd, which else waits": {
			service: &Service{Image: Image{Name: "docker:28-dind"}, Variables: vars("DOCKER_TLS_CERTDIR=")},
			image:   "docker:28-dind", aliases: []string{"docker"}, command: []string{"--tls=false"},
			env: []string{"DOCKER_TLS_CERTDIR="}, port: 2375,
		},
		"plaintext is not said twice": {
			service: &Service{Image: Image{Name: "docker:28-dind"}, Command: []string{"--debug", "--tls=false"}},
			image:   "docker:28-dind", aliases: []string{"docker"}, command: []string{"--debug", "--tls=false"},
			env: []string{"DOCKER_TLS_CERTDIR="}, port: 2375,
		},
		"the service's own variables but those that we decide": {
			service: &Service{Image: Image{Name: "docker:dind"}, Variables: vars("DOCKER_IPTABLES_LEGACY=1", "DOCKER_TLS_CERTDIR=/x", "DOCKER_HOST=tcp://x")},
			image:   "docker:dind", aliases: []string{"docker"}, env: []string{"DOCKER_IPTABLES_LEGACY=1", "DOCKER_TLS_CERTDIR=/certs"}, port: 2376,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Sidecar.Arguments = c.arguments
			if c.service != nil {
				job.Services = []Service{*c.service}
			}
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			got := p.Sidecar
			if got.Image.Name != c.image || got.Port != c.port || !got.Privileged || got.DataPath != "/var/lib/docker" {
				t.Errorf("image %s, port %d, privileged %t, data root %s", got.Image.Name, got.Port, got.Privileged, got.DataPath)
			}
			for what, pair := range map[string][2][]string{
				"aliases": {c.aliases, got.Aliases}, "command": {c.command, slices.Concat(got.Arguments, got.Command)}, "environment": {c.env, got.Environment},
			} {
				if diff := cmp.Diff(pair[0], pair[1], sameEmpty); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			if (got.TLS != nil) != (c.port == 2376) {
				t.Errorf("TLS %+v at port %d", got.TLS, c.port)
			}
			if got.TLS != nil && !slices.Equal(got.TLS.Names, append([]string{"localhost"}, got.Aliases...)) {
				t.Errorf("the certificate is for %q", got.TLS.Names)
			}
		})
	}
}

func TestCertificatesOutliveTheJob(t *testing.T) {
	s, job, facts := example()
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if least := job.Timeout + s.Cleanup.Grace.Std(); p.Sidecar.TLS.Lifetime <= least {
		t.Errorf("they live %s, the job may take %s", p.Sidecar.TLS.Lifetime, least)
	}
	if want := facts.Started.Add(time.Hour + 10*time.Minute); !p.Claim.Deadline.Equal(want) {
		t.Errorf("deadline %s, want %s", p.Claim.Deadline, want)
	}
}

func TestADindImageThatIsNotAllowedIsAFaultOfTheJob(t *testing.T) {
	for name, service := range map[string]Service{
		"an image called docker":         named("registry.example.com/group/docker:20.10.16-dind"),
		"any image with the alias":       named("registry.example.com/group/docker:20.10.16-dind", "docker"),
		"one that looks like an allowed": named("registry.example.com/group/docker:20.10.16-dind", "dind"),
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			job.Services = []Service{service}
			_, err := Build(s, job, facts)
			if err == nil || !fault.IsOfJob(err) {
				t.Fatalf("error %v, of job %t", err, fault.IsOfJob(err))
			}
			if !strings.Contains(err.Error(), service.Name) {
				t.Errorf("%q does not name the image", err)
			}
			hint := fault.HintOf(err)
			for _, part := range []string{"sidecar.allowed_images", `"registry.example.com/group/docker:20.10.16-dind"`, "docker:dind"} {
				if !strings.Contains(hint, part) {
					t.Errorf("the hint %q lacks %s", hint, part)
				}
			}
			s.Sidecar.AllowedImages = append(s.Sidecar.AllowedImages, "registry.example.com/group/docker:20.10.16-dind")
			if _, err := Build(s, job, facts); err != nil {
				t.Errorf("what the hint says does not help: %v", err)
			}
		})
	}
}

func TestTheAdminsDefaultNeedsNoPermission(t *testing.T) {
	s, job, facts := example()
	s.Sidecar.Image, s.Sidecar.AllowedImages = "registry.example.com/dind:1", nil
	for name, services := range map[string][]Service{
		"when none is declared": nil,
		"when it is declared":   {named("registry.example.com/dind:1")},
	} {
		t.Run(name, func(t *testing.T) {
			job.Services = services
			if _, err := Build(s, job, facts); err != nil {
				t.Error(err)
			}
		})
	}
	job.Services = []Service{named("docker:dind")}
	if _, err := Build(s, job, facts); !fault.IsOfJob(err) {
		t.Errorf("another image: %v", err)
	}
}

func TestOnlyTheSidecarIsPrivileged(t *testing.T) {
	s, job, facts := example()
	job.Services = []Service{named("docker:dind"), named("redis:7"), named("docker:cli")}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	p.each(func(c *Container) {
		if c.Privileged != (c.Role == RoleSidecar) {
			t.Errorf("%s: privileged is %t", c.Role, c.Privileged)
		}
	})
}

func TestFastBoot(t *testing.T) {
	official := []string{"dockerd-entrypoint.sh"}
	fast := func(entrypoint string) []string { return []string{"sh", "-c", takeFiles + bootFast(false), entrypoint} }
	for name, c := range map[string]struct {
		sidecar         Sidecar
		image, imageCmd []string
		entrypoint, cmd []string
	}{
		"the official image": {Sidecar{FastBoot: true}, official, nil, fast("dockerd-entrypoint.sh"), nil},
		"its entrypoint with a path": {
			Sidecar{FastBoot: true}, []string{"/usr/local/bin/dockerd-entrypoint.sh"}, nil, fast("/usr/local/bin/dockerd-entrypoint.sh"), nil,
		},
		"the service's flags": {
			Sidecar{FastBoot: true, Container: Container{Command: []string{"--debug"}}}, official, nil, fast("dockerd-entrypoint.sh"), []string{"--debug"},
		},
		"the image's own flags are not lost with its entrypoint": {
			Sidecar{FastBoot: true}, official, []string{"--registry-mirror=https://m"}, fast("dockerd-entrypoint.sh"), []string{"--registry-mirror=https://m"},
		},
		"the service's flags win over the image's": {
			Sidecar{FastBoot: true, Container: Container{Command: []string{"--debug"}}},
			official,
			[]string{"--mtu=1"},
			fast("dockerd-entrypoint.sh"),
			[]string{"--debug"},
		},
		"an image whose own command is no flag": {Sidecar{FastBoot: true}, official, []string{"dockerd", "--debug"}, nil, nil},
		"switched off":                          {Sidecar{}, official, nil, nil, nil},
		"an entrypoint of the service": {
			Sidecar{FastBoot: true, Container: Container{Entrypoint: []string{"dockerd"}}}, official, nil, []string{"dockerd"}, nil,
		},
		"another image":        {Sidecar{FastBoot: true}, []string{"/init"}, nil, nil, nil},
		"an image with tini":   {Sidecar{FastBoot: true}, []string{"tini", "--", "dockerd-entrypoint.sh"}, nil, nil, nil},
		"an image without any": {Sidecar{FastBoot: true}, nil, nil, nil, nil},
		"a containerd of one's own": {
			Sidecar{FastBoot: true, Container: Container{Command: []string{"--containerd=/run/c.sock"}}}, official, nil, nil, []string{"--containerd=/run/c.sock"},
		},
		"the same in two words": {
			Sidecar{FastBoot: true, Container: Container{Command: []string{"--containerd", "/run/c.sock"}}}, official, nil, nil, []string{"--containerd", "/run/c.sock"},
		},
		"a command that starts something else": {
			Sidecar{FastBoot: true, Container: Container{Command: []string{"sh"}}}, official, nil, nil, []string{"sh"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			entrypoint, cmd := c.sidecar.Boot(c.image, c.imageCmd)
			if diff := cmp.Diff(c.entrypoint, entrypoint); diff != "" {
				t.Errorf("entrypoint (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.cmd, cmd); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImageOfTheHelper(t *testing.T) {
	for name, c := range map[string]struct{ image, version, arch, want string }{
		"the official one":            {config.Default().Helper.Image, "18.6.6", "x86_64", "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v18.6.6"},
		"on another architecture":     {config.Default().Helper.Image, "18.6.6", "arm64", "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:arm64-v18.6.6"},
		"of a development build":      {config.Default().Helper.Image, "", "x86_64", "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-latest"},
		"a fixed one":                 {"helper:1", "18.6.6", "x86_64", "helper:1"},
		"a version without a v":       {"helper:{version}", "18.6.6", "x86_64", "helper:18.6.6"},
		"the same, without a version": {"helper:{version}", "", "x86_64", "helper:latest"},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Helper.Image, job.RunnerVersion, facts.Arch = c.image, c.version, c.arch
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			if p.Helper.Image.Name != c.want {
				t.Errorf("got %s, want %s", p.Helper.Image.Name, c.want)
			}
		})
	}
}

// The entrypoint prepends a folder to PATH, and dockerd finds iptables there.
func TestFastBootKeepsTheEntrypointsPath(t *testing.T) {
	dir := t.TempDir()
	for name, script := range map[string]string{
		"containerd": `echo >"$DIR/booting"; exec sleep 20`,
		"dockerd":    `echo "$PATH $*"; kill "$(cat "$DIR/pid")"`,
		"entrypoint": `export PATH="/legacy:$PATH"; exec dockerd --host=h "$@"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "containerd.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("/run/", dir+"/run/", ContainerdConfig, config, "/etc/resolv.conf", filepath.Join(dir, "resolv.conf"),
		"p=$!\n", "p=$!; echo $p >"+dir+"/pid\n").Replace(bootFast(false))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { // makes the socket that a real containerd would make
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "booting")); err == nil {
				l, err := net.Listen("unix", dir+"/run/docker/containerd/containerd.sock")
				if err == nil {
					<-ctx.Done()
					l.Close()
				}
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	cmd := exec.CommandContext(ctx, "sh", "-c", script, filepath.Join(dir, "entrypoint"), "--debug")
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "DIR=" + dir}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := " --containerd=" + dir + "/run/docker/containerd/containerd.sock --host=h --debug\n"; !strings.HasPrefix(string(out), "/legacy:") || !strings.HasSuffix(string(out), want) {
		t.Errorf("dockerd has %q", out)
	}
}

func TestAnImageOfAnotherUserBootsItsOwnWay(t *testing.T) {
	for user, fast := range map[string]bool{"": true, "root": true, "0:0": true, "rootless": false, "1000": false} {
		sc, _, err := Sidecar{FastBoot: true}.Fit(DindImage{Entrypoint: []string{"dockerd-entrypoint.sh"}, User: user}, EngineHost{})
		if err != nil || sc.Stdin != fast || sc.bootsFast() != fast {
			t.Errorf("user %q: files on stdin %t, boots fast %t (%v)", user, sc.Stdin, sc.bootsFast(), err)
		}
	}
}
