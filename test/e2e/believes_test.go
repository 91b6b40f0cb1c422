package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// eachPrivilege runs a test under each privilege with a sidecar from our own image.
func eachPrivilege(t *testing.T, test func(t *testing.T, with func(*local.Runner), dind string)) {
	t.Helper()
	for _, name := range []string{"privileged", "reduced", "rootless"} {
		t.Run(name, func(t *testing.T) {
			dind := rig.ImageDind
			if name == "rootless" {
				dind = rig.ImageRootless
			}
			test(t, privilege(t, name, dind), dind)
		})
	}
}

// A system failure would let a script repeat itself for ever, at no cost.
func TestAScriptThatEndsItsOwnDaemonIsAFailedJob(t *testing.T) {
	eachPrivilege(t, func(t *testing.T, with func(*local.Runner), dind string) {
		p := world.Job(login, `docker pull -q $CI_REGISTRY/base/busybox`,
			`docker run --pid=host $CI_REGISTRY/base/busybox kill -TERM 1 || true`,
			`while docker version >/dev/null 2>&1; do sleep 0.1; done; echo the daemon is gone; exit 7`)
		p.Services = nil
		r := runJob(t, p, with).failedWith(7).quietCleanup().says("the daemon is gone")
		if dind != rig.ImageRootless { // the sidecar of dind-rootless ends a moment after its daemon
			r.says("diagnosis: the docker daemon of this job has ended by itself", "hint: a command of the job may have ended it")
		}
	})
}

// redirects answers each request with a redirect to an address of the host.
const redirects = `#!/usr/bin/perl
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 2375, Listen => 20, ReuseAddr => 1) or die "listen: $!";
while (my $c = $s->accept) {
  while (my $line = <$c>) { last if $line =~ /^\r?\n$/ }
  print $c "HTTP/1.1 302 Found\r\nServer: Docker/99.9\r\nLocation: $ENV{ELSEWHERE}\r\nContent-Length: 0\r\n\r\n";
  close $c;
}
`

// The hook runs on the host, as root, so a sidecar must not redirect the hook.
func TestASidecarCannotSendAHookToTheHost(t *testing.T) {
	var asked atomic.Int64
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Server", "Docker/of-the-host")
	}))
	defer host.Close()
	image := rig.DeriveWith(t, world.Engine, rig.ImageDind,
		[]rig.File{{Path: "/usr/local/bin/redirects", Content: redirects, Mode: 0o755}},
		`ENTRYPOINT ["/usr/local/bin/redirects"]`, "ENV ELSEWHERE="+host.URL)
	p := world.Job(`echo never`)
	p.Services = []local.Image{{Name: image, Alias: "docker"}}
	lab.Set(&p, "DOCKER_TLS_CERTDIR", "")
	repo, _, _ := strings.Cut(image, ":")
	with := changedSettings(t, "[sidecar]\n", "ready_timeout = \"3s\"\n", "allowed_images = [", fmt.Sprintf("%q, ", repo+":*"))
	runJob(t, p, with).quietCleanup().says("error: the docker daemon of this job").saysNot("\nnever", "99.9", "of-the-host")
	if n := asked.Load(); n > 0 {
		t.Errorf("the host was asked %d times", n)
	}
}
