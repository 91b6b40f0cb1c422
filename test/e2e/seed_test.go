package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// seeds are the seeds of a settings file. A test makes and removes them.
type seeds struct {
	t                *testing.T
	settings, config string
}

func (s seeds) command(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(world.Binary, append([]string{"--settings", s.settings}, args...)...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+s.config)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// one is the volume of the serving seed.
func (s seeds) one() string {
	s.t.Helper()
	said := s.command("seed", "status")
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], " serves ") {
		s.t.Fatalf("want one seed that serves:\n%s", said)
	}
	return strings.Fields(lines[1])[0]
}

// A first build needs no registry: its base is in the seed under its name, as new as the last
// seed. The same holds for the next job of the project, whose daemon knows no other name.
// Whatever happens to a seed, jobs go on.
func TestAFirstBuildFindsItsBaseWithoutARegistry(t *testing.T) {
	for store, k := range map[string]struct {
		image string
		// seeds are made in turn.
		seeds []string
	}{
		"dockerd's store":    {rig.DeriveWith(t, world.Engine, rig.ImageDind, []rig.File{ownStore}), []string{"old", "new"}},
		"containerd's store": {rig.DeriveWith(t, world.Engine, rig.ImageDind, []rig.File{containerdStore}), []string{"new"}},
	} {
		if len(k.seeds) == 1 && !long() {
			continue
		}
		t.Run(store, func(t *testing.T) { firstBuildFindsItsBase(t, k.image, k.seeds) })
	}
}

func firstBuildFindsItsBase(t *testing.T, dind string, made []string) {
	rig.Unchanged(t, world.Engine)
	registry, err := rig.StartRegistry(t.Context(), world.Engine, "seed.demo.test", rig.RegistryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	_, port, _ := net.SplitHostPort(registry.Host)
	host := net.JoinHostPort(registry.Addr.String(), port)
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + registry.Password))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, host, auth), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, registry.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	settings := settingsWith(t, fmt.Sprintf("[cache]\nvolume = false\nlayers = \"project\"\n[registry.%q]\nca_file = %q\n[[policy]]\nsidecar.image = %q\ncache.seed_images = [%q]\n",
		host, ca, dind, host+"/base/seeded"))
	s := seeds{t, settings, dir}
	t.Cleanup(func() {
		gcWith(t, "--caches", "--older-than", "0s")
	})

	for _, is := range made {
		if err := registry.Push(t.Context(), world.Engine, holding(t, is), "base/seeded:latest"); err != nil {
			t.Fatal(err)
		}
		if said := s.command("seed"); !strings.Contains(said, "made the seed for "+dind) {
			t.Errorf("seed said: %s", said)
		}
	}
	if err := registry.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(volumeText(t, s.one()), auth) {
		t.Error("the seed holds the host's credentials")
	}

	job := func(project int64) local.Payload {
		p := plainJob(`echo "names: $(docker images --format '{{.Repository}}' | grep -vc none)"`,
			`printf "FROM `+host+`/base/seeded\nRUN cp /is /was-$CI_JOB_ID\n" > /tmp/Dockerfile`,
			`docker build -q -t built - < /tmp/Dockerfile && docker run --rm built sh -c 'echo "the base is $(cat /was-*)"'`,
			`DOCKER_BUILDKIT=0 docker build -q -t old - < /tmp/Dockerfile && docker tag old app`)
		p.JobInfo.ProjectID = project
		return p
	}
	for _, said := range []string{"no layers yet", "layers reused"} {
		runJobUnchecked(t, job(51), under(settings)).succeeded().quietCleanup().
			says("\nnames: 1\n", "\nthe base is new\n", said)
		sweptBehind(t)
	}
	if len(made) == 1 {
		return
	}
	breakVolume(t, s.one(), `for f in /d/image/*/repositories.json; do echo x >> $f; done`)
	p := plainJob(`echo "images: $(docker images -q | wc -l)"`)
	p.JobInfo.ProjectID = 52
	runJobUnchecked(t, p, under(settings)).succeeded().quietCleanup().says("\nimages: 0\n")
}

// volumeText is the content of all small files of a volume, those below 64 KiB.
func volumeText(t *testing.T, volume string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "run", "--rm", "-v", volume+":/d", "--network", "none",
		"--entrypoint", "sh", rig.ImageBusybox, "-c", "find /d -type f -size -64k -exec cat {} +").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The maker of a seed dies in the middle. gc removes everything of the seed.
func TestOfASeedWhoseMakerDiedNothingIsLeft(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	// A registry never answers, so the daemon is up, and pulls.
	l, err := net.Listen("tcp4", net.JoinHostPort(world.Registry.Addr.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := seeds{t, settingsWith(t, fmt.Sprintf("[cache]\nvolume = false\nlayers = \"off\"\nseed_images = [%q]\n", l.Addr().String()+"/base")), t.TempDir()}
	cmd := exec.CommandContext(t.Context(), world.Binary, "--settings", s.settings, "seed")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "pulling ") {
		t.Fatalf("seed said %q, %v", line, err)
	}
	if said := s.command("gc"); said != "nothing to remove\n" {
		t.Errorf("while it is made, gc says: %s", said)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if said := s.command("gc"); !strings.Contains(said, "its owner is dead") || !strings.Contains(said, "removed seed dind-seed-") {
		t.Errorf("gc says: %s", said)
	}
}
