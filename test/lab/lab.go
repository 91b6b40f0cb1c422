// Package lab is a whole small world around the executor. It has an engine with its images, a
// registry with TLS and a password, a git server, and fitting settings. A stand-in for GitLab
// Runner drives the real binary. The demo, the end-to-end tests and the benchmark run their
// jobs there.
//
// The package may import executor/local, fault and test/rig.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// RegistryName is the registry's host name, without its port, in the sandboxes.
const RegistryName = "registry.demo.test"

// Login is the line of a job's script that logs in to the lab's registry. The password goes to
// stdin, because ps shows arguments.
const Login = `echo "$CI_REGISTRY_PASSWORD" | docker login -u "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"`

// Lab is a running world. Close ends it.
type Lab struct {
	Engine   *client.Client
	Registry *rig.Registry
	Git      *rig.GitServer
	// Binary is the executor, Settings its settings file.
	Binary, Settings string

	dir, more string
	ids       atomic.Int64
	// dind and cli are the images of the sidecar and of the job, as settings and jobs name
	// them.
	dind, cli string
	served    []string
	manifests *rig.ManifestServer
}

// Options say how a world differs from the usual world.
type Options struct {
	// Binary is the executor. "" takes the path in $DIND_LAB_BINARY, for machines without Go.
	// Without that variable New builds the executor from the module's root.
	Binary string
	// Settings are further lines for the settings file.
	Settings string
}

// Installation names the installation of all tests on an engine, and InstallationLabel is its
// label. Objects of other installations, even of this program, are out of sight for the tests,
// and so safe from removal.
const (
	Installation      = "tests"
	InstallationLabel = "gitlab-dind-executor.installation"
)

// ownInstallation makes this process call the executor as the tests' installation. All its
// child processes inherit the variable.
func ownInstallation() {
	_ = os.Setenv("GITLAB_DIND_EXECUTOR_INSTALLATION", Installation) // only a malformed name fails
}

// New makes a world with one project, group/app, with the files of App.
func New(ctx context.Context, opts Options) (l *Lab, err error) {
	ownInstallation()
	l = &Lab{
		Binary: cmp.Or(opts.Binary, os.Getenv(envBinary)),
		more:   opts.Settings, dind: rig.ImageDind, cli: rig.ImageCLI,
	}
	l.ids.Store(time.Now().Unix())
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if l.Engine, err = client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()); err != nil {
		return l, err
	}
	if err := rig.Require(ctx, l.Engine, rig.ImageDind, rig.ImageCLI, rig.ImageHelper, rig.ImageRegistry, rig.ImageBusybox); err != nil {
		return l, err
	}
	if l.dir, err = os.MkdirTemp("", "dind-lab-"); err != nil {
		return l, err
	}
	if l.Binary == "" {
		l.Binary = filepath.Join(l.dir, "gitlab-dind-executor")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.Binary, "gitlab-dind-executor")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // the binary runs in an image that holds nothing else
		if out, err := build.CombinedOutput(); err != nil {
			return l, fmt.Errorf("building the executor: %w\n%s", err, out)
		}
	}
	if l.Registry, err = rig.StartRegistry(ctx, l.Engine, RegistryName, rig.RegistryOptions{}); err != nil {
		return l, err
	}
	if err := l.Registry.Push(ctx, l.Engine, rig.ImageBusybox, "base/busybox:latest"); err != nil {
		return l, err
	}
	if l.Git, err = rig.StartGitServer(ctx, l.Engine, "group/app", rig.Files(App(l.Registry.Host))); err != nil {
		return l, err
	}
	l.Settings = filepath.Join(l.dir, "dind.toml")
	return l, os.WriteFile(l.Settings, []byte(l.settings(l.more)), 0o600)
}

// ServeImages lets a registry serve the images of sidecar and job. From then on settings and
// jobs name the images by this registry, as pipelines do, so that a pull policy has a registry
// to ask. Earlier settings keep their names.
func (l *Lab) ServeImages(ctx context.Context) (err error) {
	if l.manifests, err = rig.ServeManifests(ctx); err != nil {
		return err
	}
	for _, image := range []struct {
		local, served string
		name          *string
	}{{rig.ImageDind, "docker:dind", &l.dind}, {rig.ImageCLI, "docker:cli", &l.cli}} {
		ref, err := l.manifests.Add(ctx, l.Engine, image.local, image.served)
		if err != nil {
			return err
		}
		l.served = append(l.served, ref)
		if err = rig.Pull(ctx, l.Engine, ref); err != nil { // an engine with containerd's store wants layers, too
			ref, err = l.pushed(ctx, image.local, image.served)
		}
		if err != nil {
			return err
		}
		*image.name = ref
	}
	return os.WriteFile(l.Settings, []byte(l.settings(l.more)), 0o600)
}

// pushed serves an image from the lab's registry, with its layers.
func (l *Lab) pushed(ctx context.Context, local, repoTag string) (string, error) {
	if err := l.Registry.Push(ctx, l.Engine, local, repoTag); err != nil {
		return "", err
	}
	l.served = append(l.served, l.Registry.LocalHost+"/"+repoTag)
	return l.Registry.Pull(ctx, l.Engine, repoTag)
}

// Close ends servers and removes everything of New.
func (l *Lab) Close() error {
	var errs []error
	for _, name := range l.served {
		errs = append(errs, rig.RemoveName(l.Engine, name))
	}
	if l.manifests != nil {
		errs = append(errs, l.manifests.Close())
	}
	if l.Git != nil {
		errs = append(errs, l.Git.Close())
	}
	if l.Registry != nil {
		errs = append(errs, l.Registry.Close())
	}
	if l.Engine != nil {
		errs = append(errs, l.forgetSilences(), l.Engine.Close())
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

// forgetSilences removes the volumes by which jobs noted that a registry was silent. They would
// outlive the tests by minutes.
func (l *Lab) forgetSilences() error {
	ctx, cancel := context.WithTimeout(context.Background(), rig.Slower(time.Minute))
	defer cancel()
	notes, err := l.Engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "gitlab-dind-executor.role=silent"), filters.Arg("label", InstallationLabel+"="+Installation))})
	if err != nil {
		return fmt.Errorf("cannot list the notes of silent registries: %w", err)
	}
	var errs []error
	for _, v := range notes.Volumes {
		if err := l.Engine.VolumeRemove(ctx, v.Name, false); !errdefs.IsNotFound(err) { // gc may come first
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Privilege names the environment variable with another sidecar.privilege than the default. It
// holds for all jobs of the lab that do not choose a privilege.
const Privilege = "DIND_LAB_PRIVILEGE"

// settings are the lines for every job of the lab, and more. Without a table [cache] in more,
// nothing outlives a job.
func (l *Lab) settings(more string) string {
	if !strings.Contains(more, "[cache]") {
		more += "\n[cache]\nvolume = false\nlayers = \"off\"\n"
	}
	return fmt.Sprintf(`
[sidecar]
privilege = %[8]q
image = %[1]q
allowed_images = ["gitlab-dind-executor.test/docker:*", "127.0.0.1:*/**"]
[job]
image = %[2]q
start_early = ["gitlab-dind-executor.test/docker:*", "127.0.0.1:*/docker:*"]
[helper]
image = %[3]q
[registry.%[4]q]
ca_file = %[5]q
[network]
extra_hosts = ["%[6]s:%[7]s"]
`, l.dind, l.cli, rig.ImageHelper, l.Registry.Host, l.Registry.CAFile, RegistryName, l.Registry.Addr,
		cmp.Or(os.Getenv(Privilege), config.PrivilegePrivileged)) + more
}

// WriteSettings writes a further settings file: the lab's lines and more.
func (l *Lab) WriteSettings(name, more string) (path string, err error) {
	path = filepath.Join(l.dir, name)
	return path, os.WriteFile(path, []byte(l.settings(more)), 0o600)
}

// Runner is a stand-in for GitLab Runner that calls the executor.
func (l *Lab) Runner() *local.Runner { return l.RunnerWith(l.Settings) }

// RunnerWith is Runner with another settings file.
func (l *Lab) RunnerWith(settings string) *local.Runner {
	hook := func(name string) []string { return []string{"--settings", settings, name} }
	return &local.Runner{
		Executable: l.Binary,
		ConfigArgs: hook("config"), PrepareArgs: hook("prepare"), RunArgs: hook("run"), CleanupArgs: hook("cleanup"),
		TempDir:             l.dir,
		Env:                 append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(l.dir, "state")),
		GracefulKillTimeout: time.Minute,
	}
}

// Job is a payload as GitLab would send it for a job of group/app with this script. The job
// runs in docker:cli beside docker:dind unless the caller changes the payload.
func (l *Lab) Job(script ...string) local.Payload {
	id := l.ids.Add(1)
	protected := true
	image := l.Registry.Host + "/group/app"
	p := local.Payload{
		ID: id, Token: l.Git.Token, AllowGitFetch: true,
		JobInfo: local.JobInfo{Name: "build_image", Stage: "build", ProjectID: 42, ProjectName: "app"},
		GitInfo: local.GitInfo{
			RepoURL: l.Git.URL, RepoObjectFormat: "sha1", Ref: "main", SHA: l.Git.SHA, RefType: "branch",
			BeforeSHA: strings.Repeat("0", 40), Refspecs: []string{"+refs/heads/main:refs/remotes/origin/main"},
			Depth: 20, Protected: &protected,
		},
		RunnerInfo: local.RunnerInfo{Timeout: 600},
		Steps:      []local.Step{{Name: "script", Script: script, Timeout: 600, When: "on_success"}},
		Image:      local.Image{Name: l.cli},
		Services:   []local.Image{{Name: l.dind}},
		Credentials: []local.Credentials{
			{Type: "registry", URL: l.Registry.Host, Username: l.Registry.User, Password: l.Registry.Password},
			{Type: "registry", URL: l.Registry.LocalHost, Username: l.Registry.User, Password: l.Registry.Password},
		},
	}
	public := func(key, value string) {
		p.Variables = append(p.Variables, local.Variable{Key: key, Value: value, Public: true})
	}
	secret := func(key, value string) {
		p.Variables = append(p.Variables, local.Variable{Key: key, Value: value, Masked: true})
	}
	public("CI", "true")
	public("GITLAB_CI", "true")
	public("CI_JOB_ID", fmt.Sprint(id))
	public("CI_JOB_NAME", p.JobInfo.Name)
	public("CI_PROJECT_ID", "42")
	public("CI_PROJECT_PATH", "group/app")
	public("CI_SERVER_URL", l.Git.Base)
	public("CI_COMMIT_SHA", l.Git.SHA)
	public("CI_COMMIT_SHORT_SHA", l.Git.SHA[:8])
	public("CI_COMMIT_REF_NAME", "main")
	public("CI_COMMIT_REF_SLUG", "main")
	public("CI_COMMIT_BRANCH", "main")
	public("CI_REGISTRY", l.Registry.Host)
	public("CI_REGISTRY_IMAGE", image)
	public("CI_REGISTRY_USER", l.Registry.User)
	secret("CI_REGISTRY_PASSWORD", l.Registry.Password)
	secret("CI_JOB_TOKEN", l.Git.Token)
	return p
}

// Set adds a job variable as .gitlab-ci.yml would.
func Set(p *local.Payload, key, value string) {
	p.Variables = append(p.Variables, local.Variable{Key: key, Value: value, Public: true})
}

// App is a small project. Its Dockerfile builds a static program in a first stage, tests it and
// puts it into an image in the next.
func App(registry string) map[string]string {
	return map[string]string{
		"Dockerfile": `FROM ` + registry + `/base/busybox:latest AS build
WORKDIR /src
COPY app.sh .
RUN sed "s/@VERSION@/1.0/" app.sh > /app && chmod +x /app
RUN mkdir -p /script/to/run && printf '#!/bin/sh\n/app | grep -q hello && echo tests passed\n' > /script/to/run/tests \
 && chmod +x /script/to/run/tests

FROM ` + registry + `/base/busybox:latest
COPY --from=build /app /app
COPY --from=build /script /script
RUN /script/to/run/tests
CMD ["/app"]
`,
		"app.sh":    "#!/bin/sh\necho \"hello from version @VERSION@\"\n",
		"README.md": "A small app.\n",
	}
}
