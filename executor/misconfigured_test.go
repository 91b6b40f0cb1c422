package executor

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/test/fakeengine"
)

// For each fault of a host, doctor prints a line with the cause and a line with the cure.
// So does the log of a job that meets the fault.
func TestWhatIsMisconfiguredIsToldWithItsCure(t *testing.T) {
	registry := httptest.NewUnstartedServer(http.NotFoundHandler())
	registry.Config.ErrorLog = log.New(io.Discard, "", 0)
	registry.StartTLS()
	t.Cleanup(registry.Close)
	address := registry.Listener.Addr().String()
	noImage := func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		if r.PathValue("name") != "docker:29-dnd/json" && r.URL.Query().Get("tag") != "29-dnd" {
			next(w, r)
			return
		}
		fakeengine.Refuse(http.StatusNotFound, "manifest for docker:29-dnd not found: manifest unknown: manifest unknown")(e, w, r, nil)
	}
	behind := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // behind a mirror
	t.Cleanup(behind.Close)
	says := func(h *wrongHost, registry, message string) {
		for _, call := range []string{"POST /images/create", "GET /distribution/{name...}"} {
			h.e.Always(call, func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
				if !strings.HasPrefix(r.URL.Query().Get("fromImage")+r.PathValue("name"), registry) {
					next(w, r)
					return
				}
				fakeengine.Refuse(http.StatusInternalServerError, message)(e, w, r, nil)
			})
		}
	}
	full := fakeengine.Refuse(http.StatusInternalServerError, "failed to register layer: write /var/lib/x: no space left on device")
	for name, c := range map[string]struct {
		wrong func(*wrongHost)
		// Cause and cure of each.
		doctor [2]string
		// job is nil where no job log can tell. The Runner cannot start the hook, and says
		// so in its own log.
		job  func(*wrongHost) string
		told [2]string
	}{
		"a wrong socket": {
			func(h *wrongHost) { h.engine = "unix:///nonexistent/docker.sock" },
			[2]string{"error    engine: asking the engine: Cannot connect to the Docker daemon at unix:///nonexistent/docker.sock", "the docker engine at unix:///nonexistent/docker.sock does not answer: is it running? (systemctl status docker)"},
			func(h *wrongHost) string { return h.brief("prepare") },
			[2]string{"error: asking the engine: Cannot connect to the Docker daemon at unix:///nonexistent/docker.sock", "the docker engine at unix:///nonexistent/docker.sock does not answer: is it running?"},
		},
		"no privilege": {
			func(h *wrongHost) { h.e.Always("POST /containers/create", unprivileged) },
			[2]string{"error    privilege: privileged, which the settings want, is refused: the docker engine refuses a privileged container", "choose another sidecar.privilege in the settings: docs/security.md"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"error: the docker engine refuses a privileged container: ", "choose another sidecar.privilege in the settings: docs/security.md"},
		},
		"a missing image": {
			func(h *wrongHost) {
				h.settings = "[sidecar]\nimage = \"docker:29-dnd\"\n"
				h.e.Always("POST /images/create", noImage)
				h.e.Always("GET /distribution/{name...}", noImage)
			},
			[2]string{"error    images: docker:29-dnd cannot be pulled: ", "check the image's name and tag"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"error: pulling image docker:29-dnd: ", "check the image's name and tag"},
		},
		"a wrong CA": {
			func(h *wrongHost) {
				h.settings = fmt.Sprintf("[registry.%q]\nca_file = %q\n", address, h.anotherCA())
			},
			[2]string{"error    registries: the certificate of " + address + " is signed by a CA that ", "openssl s_client -showcerts -connect " + address},
			func(h *wrongHost) string {
				return h.diagnosed(`Error response from daemon: Get "https://` + address + `/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`)
			},
			[2]string{"diagnosis: the certificate of " + address + " is signed by a CA that the docker daemon does not know", `ca_file`},
		},
		"a CA that is not there": {
			func(h *wrongHost) {
				h.settings = "[registry.\"r.example.com\"]\nca_file = \"/nonexistent/ca.crt\"\n"
			},
			[2]string{"error    registries: the CA of registry r.example.com: open /nonexistent/ca.crt: no such file", "name a PEM file that the Runner's user can read"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"error: the CA of registry r.example.com: open /nonexistent/ca.crt: no such file", "name a PEM file that the Runner's user can read"},
		},
		"a full disk": {
			func(h *wrongHost) {
				h.settings = "[admission]\nmin_free_disk = \"1000000t\"\nwait = \"0s\"\n"
				h.e.Always("GET /info", fakeengine.Saying(`{"DockerRootDir": "/", "Driver": "overlay2", "CgroupVersion": "2"}`))
			},
			[2]string{"error    disk: ", "make room (docker system df, gitlab-dind-executor gc)"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"error: this runner's host is too full to begin: ", "make room on the runner host (docker system df, gitlab-dind-executor gc)"},
		},
		"a disk that gets full": {
			func(h *wrongHost) {
				h.settings = "[pull]\nattempts = 1\n"
				h.e.Always("POST /images/create", full)
			},
			[2]string{"error    images: pulling image docker:dind: ", "the docker engine's disk is full: docker system df tells"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"error: pulling image ", "the docker engine's disk is full: docker system df tells"},
		},
		"bad TOML": {
			func(h *wrongHost) { h.settings = "[sidecar\n" },
			[2]string{"error    settings: ", "`gitlab-dind-executor settings --default` prints every key"},
			func(h *wrongHost) string { return h.job("config") },
			[2]string{"/dind.toml:4: ", "`gitlab-dind-executor settings --default` prints every key"},
		},
		"an unknown key": {
			func(h *wrongHost) { h.settings = "[sidecar]\nimages = \"docker:dind\"\n" },
			[2]string{"/dind.toml:4: sidecar.images: unknown key; did you mean allowed_images or image?", "`gitlab-dind-executor settings --default` prints every key"},
			func(h *wrongHost) string { return h.job("config") },
			[2]string{"/dind.toml:4: sidecar.images: unknown key; did you mean allowed_images or image?", "`gitlab-dind-executor settings --default` prints every key"},
		},
		"a hook that is not executable": {
			func(h *wrongHost) { h.hook = h.write("gitlab-dind-executor", "") },
			[2]string{"/gitlab-dind-executor, which is not executable", "chmod 755 "},
			nil,
			[2]string{},
		},
		"an old helper": {
			func(h *wrongHost) { h.e.ExecOutput = "Version:      16.0.0\n" },
			[2]string{"warning  helper: registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v18.6.6 has gitlab-runner 16.0.0, the runner is 18.6.6: caches and artifacts may fail", "set helper.image to one of the runner's version"},
			func(h *wrongHost) string { return h.stage("16.0.0") },
			[2]string{"warning: the helper has gitlab-runner 16.0.0, the runner is 18.6.6: caches and artifacts may fail", "ask the runner's admin for a helper.image of the runner's version"},
		},
		"a dead mirror": {
			func(h *wrongHost) { deadMirror(h, h.withMirror(behind.URL, 0), 1<<40) },
			[2]string{"warning  mirror: jobs do without dind-mirror-", "gitlab-dind-executor mirror remove makes room for a new one"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"warning: this job does without the registry mirror: it does not answer: ", "gitlab-dind-executor mirror remove makes room for a new one"},
		},
		"a registry behind the mirror that is not there": {
			func(h *wrongHost) { deadMirror(h, h.withMirror("http://127.0.0.1:1", 0), 1) },
			[2]string{"warning  mirror: http://127.0.0.1:1, the registry behind the mirror, does not answer: dial tcp 127.0.0.1:1: connect: connection refused", "mend mirror.remote, or the way there from this host"},
			nil, // the mirror ends, as below
			[2]string{},
		},
		"a mirror that ends": {
			func(h *wrongHost) { deadMirror(h, h.withMirror(behind.URL, 0), 1) },
			[2]string{"warning  mirror: jobs do without dind-mirror-", "often mirror.remote does not answer"},
			func(h *wrongHost) string {
				deadMirror(h, h.withMirror(behind.URL, 0), 1)
				return h.job("prepare")
			},
			[2]string{"warning: this job does without the registry mirror: its container dind-mirror-", "often mirror.remote does not answer"},
		},
		"a mirror on a port that is taken": {
			func(h *wrongHost) { h.withMirror(behind.URL, h.takenPort()) },
			[2]string{"which mirror.port names, is taken: ", "name another mirror.port in the settings, or 0 for any that is free"},
			func(h *wrongHost) string { return h.job("mirror", "start") },
			[2]string{"which mirror.port names, is taken: ", "name another mirror.port in the settings, or 0 for any that is free"},
		},
		"a registry without TLS": {
			func(h *wrongHost) {
				h.settings = "[sidecar]\nimage = \"r.example.com:5050/docker:dind\"\nallowed_images = [\"r.example.com:5050/docker:*\"]\n[job]\nimage = \"r.example.com:5050/docker:latest\"\n[pull]\nattempts = 1\n"
				says(h, "r.example.com:5050/", `Get "https://r.example.com:5050/v2/": http: server gave HTTP response to HTTPS client`)
			},
			[2]string{"error    images: r.example.com:5050/docker:dind cannot be pulled: ", `put "r.example.com:5050" into "insecure-registries" of the docker engine's daemon.json`},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"error: pulling image ", `insecure = true under [registry."r.example.com:5050"] of dind.toml`},
		},
		"a registry with a CA and without TLS": {
			func(h *wrongHost) {
				address := behind.Listener.Addr().String()
				h.settings = fmt.Sprintf("[registry.%q]\nca_file = %q\n", address, h.anotherCA())
			},
			[2]string{"error    registries: " + behind.Listener.Addr().String() + " speaks no TLS", "write insecure = true in place of ca_file under [registry."},
			func(h *wrongHost) string {
				return h.diagnosed(`Error response from daemon: Get "https://` + address + `/v2/": http: server gave HTTP response to HTTPS client`)
			},
			[2]string{"diagnosis: registry " + address + " has no TLS", "insecure = true in dind.toml"},
		},
		"a proxy of the engine's that does not answer": {
			func(h *wrongHost) {
				h.settings = "[pull]\nattempts = 1\n"
				says(h, "", `Get "https://registry-1.docker.io/v2/": proxyconnect tcp: dial tcp 192.0.2.1:3128: connect: connection refused`)
			},
			[2]string{"error    images: docker:dind cannot be pulled: ", "the proxy of the docker engine of the runner's host does not answer"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"error: pulling image ", "the proxy of the docker engine of the runner's host does not answer"},
		},
		"a runtime that is not installed": {
			func(h *wrongHost) {
				h.settings = "[sidecar]\nprivilege = \"runtime\"\nruntime = \"sysbox-runc\"\n"
				h.e.Always("POST /containers/create", refusing(`"Runtime":"sysbox-runc"`, "unknown or invalid runtime name: sysbox-runc"))
			},
			[2]string{`error    privilege: the engine has no runtime "sysbox-runc"`, `install it and name it under "runtimes" in the engine's daemon.json`},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"sysbox-runc", `"runtimes"`},
		},
		"a directory for jobs that is not there": {
			func(h *wrongHost) {
				h.settings = "[job]\nvolumes = [\"/nonexistent/shared:/shared:ro\"]\n"
				h.e.Always("POST /containers/create", refusing("/nonexistent/shared", `invalid mount config for type "bind": bind source path does not exist: /nonexistent/shared`))
			},
			[2]string{"error    containers: /nonexistent/shared is not on this host", "make it, or mend job.volumes in the settings"},
			func(h *wrongHost) string { return h.job("prepare") },
			[2]string{"/nonexistent/shared", "job.volumes"},
		},
		"a sidecar with no memory to speak of": {
			func(h *wrongHost) { h.settings = "[limits.sidecar]\nmemory = \"8m\"\n" },
			[2]string{"/dind.toml:4: limits.sidecar.memory: must be 0 or at least ", "`gitlab-dind-executor settings --default` prints every key"},
			func(h *wrongHost) string { return h.job("config") },
			[2]string{"/dind.toml:4: limits.sidecar.memory: must be 0 or at least ", "`gitlab-dind-executor settings --default` prints every key"},
		},
		"a sidecar without processes": {
			func(h *wrongHost) { h.settings = "[limits.sidecar]\npids = 1\n" },
			[2]string{"/dind.toml:4: limits.sidecar.pids: must be 0 or from ", "`gitlab-dind-executor settings --default` prints every key"},
			func(h *wrongHost) string { return h.job("config") },
			[2]string{"/dind.toml:4: limits.sidecar.pids: must be 0 or from ", "`gitlab-dind-executor settings --default` prints every key"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			c.wrong(h)
			said, code := h.doctor()
			told(t, "doctor", said, c.doctor)
			if code == 0 || (code == codeDoubt) != strings.HasPrefix(c.doctor[0], "warning") {
				t.Errorf("doctor ends with %d and says:\n%s", code, said)
			}
			if strings.Contains(said, "glrt-secret") {
				t.Error("doctor tells the Runner's token")
			}
			if c.job != nil {
				told(t, "the job log", c.job(h), c.told)
			}
		})
	}
}

// A firewall drops packets to registries. doctor reports each image, however long the
// images before took.
func TestRegistriesThatDoNotAnswer(t *testing.T) {
	old := imageBound
	imageBound = 200 * time.Millisecond
	t.Cleanup(func() { imageBound = old })
	h := newHost(t)
	h.settings = "[sidecar]\nimage = \"docker:dind\"\n[job]\nimage = \"alpine:3\"\n"
	h.e.Always("GET /distribution/{name...}", fakeengine.Hang())
	said, code := h.doctor()
	for _, image := range []string{"docker:dind", "alpine:3"} {
		told(t, "doctor", said, [2]string{
			"error    images: " + image + " cannot be pulled: ",
			"hint: the docker engine of the runner's host does not reach the registry: see to its network, name servers or proxy",
		})
	}
	if code != codeFailed || strings.Contains(said, "is slow") {
		t.Errorf("doctor ends with %d and says:\n%s", code, said)
	}
}

func TestASandboxThatCannotBePlannedIsThePrivilegeChecksFault(t *testing.T) {
	h := newHost(t)
	h.settings = "[registry.\"r.example.com\"]\nca_file = \"/nonexistent/ca.crt\"\n"
	said, _ := h.doctor()
	told(t, "doctor", said, [2]string{"error    registries: the CA of registry r.example.com: ", "name a PEM file that the Runner's user can read"})
	told(t, "doctor", said, [2]string{"skipped  privilege: not checked, since registries is not well", ""})
	told(t, "doctor", said, [2]string{"skipped  sandbox: not checked, since registries is not well", ""})
	if n := strings.Count(said, "/nonexistent/ca.crt"); n != 1 {
		t.Errorf("the cause is told %d times:\n%s", n, said)
	}
}

// A fault of a setting skips only checks that need the setting.
func TestOneBadSettingSkipsWhatNeedsIt(t *testing.T) {
	h := newHost(t)
	h.settings = "[pool]\nsize = \"many\"\n[limits.sidecar]\ncpu = 2\n[mirror]\nport = -1\n"
	said, code := h.doctor()
	for _, want := range []string{
		"error    settings: ", "pool.size: must be a whole number", "limits.sidecar.cpu: unknown key", "mirror.port: must be from 0 to 65535\n         hint: ",
		"ok       engine: ", "ok       hooks: ", "ok       disk: ", "ok       network.pool: ", "ok       images: ",
		"skipped  mirror: not checked, since mirror.port of the settings is not well\n",
		"skipped  limits: not checked, since pool.size of the settings is not well\n",
		"skipped  sandbox: not checked, since limits.sidecar.cpu of the settings is not well\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	if code != codeFailed || strings.Count(said, "settings --default") != 1 {
		t.Errorf("doctor ends with %d and says:\n%s", code, said)
	}
	if left := h.e.Objects(); len(left) != 0 {
		t.Errorf("doctor left %q", left)
	}
}

// mirror start with a taken port leaves nothing behind, and the next start reports the
// same.
func TestAMirrorThatCannotStartLeavesNothing(t *testing.T) {
	h := newHost(t)
	h.withMirror("https://r.example.com", h.takenPort())
	for range 2 {
		log := h.job("mirror", "start")
		told(t, "mirror start", log, [2]string{"which mirror.port names, is taken: ", "hint: name another mirror.port"})
		if left := h.e.Objects(); len(left) != 0 {
			t.Errorf("mirror start left %q", left)
		}
	}
}

// An image of the settings on this host serves, whatever its registry says.
func TestWhatIsHereServes(t *testing.T) {
	for _, policies := range []string{`"always"`, `"if-not-present"`, `"never"`} {
		h := newHost(t)
		h.settings = "[sidecar]\nimage = \"docker:dind\"\n[pull]\npolicy = [" + policies + "]\n"
		h.e.AddImage("docker:dind", fakeengine.Image{})
		h.e.Always("GET /distribution/{name...}", fakeengine.Refuse(http.StatusNotFound, "manifest unknown"))
		said, _ := h.doctor()
		told(t, "doctor with "+policies, said, [2]string{"ok       images: docker:dind is here", ""})
	}
}

// told asserts that a line has the cause, and that this line or the next has the cure.
func told(t *testing.T, who, said string, want [2]string) {
	t.Helper()
	lines := strings.Split(said, "\n")
	for i, line := range lines {
		if !strings.Contains(line, want[0]) {
			continue
		}
		if cure := strings.Join(lines[i:min(len(lines), i+2)], "\n"); strings.Contains(cure, want[1]) {
			return
		}
	}
	t.Errorf("%s has no line with %q and then %q:\n%s", who, want[0], want[1], said)
}

// The findings of the tests above come from their faults alone.
func TestAHostWithNothingWrong(t *testing.T) {
	h := newHost(t)
	said, code := h.doctor()
	if code != codeDoubt || strings.Count(said, "\nwarning ") != 1 || !strings.Contains(said, "warning  firewall: whether jobs reach this host's own services cannot be told") ||
		strings.Contains(said, "error ") || strings.Contains(said, "skipped ") {
		t.Errorf("doctor ends with %d and says:\n%s", code, said)
	}
	if left := h.e.Objects(); len(left) != 0 {
		t.Errorf("doctor left %q", left)
	}
	if log := h.job("prepare"); strings.Contains(log, "error") || strings.Contains(log, "warning") {
		t.Errorf("the job log says %s", log)
	}
}
