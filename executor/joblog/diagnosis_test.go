package joblog

import (
	"os"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stages"
)

func TestDiagnosesOfKnownMessages(t *testing.T) {
	for name, c := range map[string]struct{ output, line, hint string }{
		"a full disk in a build": {
			"#9 ERROR: failed to solve: write /x: no space left on device\n",
			"a disk is full", "df -h",
		},
		"a full disk, in the C library's words": {
			"dd: error writing '/tmp/much': No space left on device\n",
			"a disk is full", "df -h",
		},
		"a CA that is not known, of the daemon": {
			"Error response from daemon: Get \"https://registry.example.com:5050/v2/\": tls: failed to verify certificate: x509: certificate signed by unknown authority\n",
			"the certificate of registry.example.com:5050 is signed by a CA that this job's docker daemon does not know", "ca_file",
		},
		"a CA that is not known, of something else": {
			"curl: x509: certificate signed by unknown authority\n",
			"a registry's certificate is signed by a CA", "ca_file",
		},
		"too many pulls": {
			"Error response from daemon: toomanyrequests: You have reached your pull rate limit.\n",
			"the registry limits how much may be pulled", "dependency proxy",
		},
		"an old client": {
			"Error response from daemon: client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade\n",
			"speaks API 1.41, its daemon at least 1.44", "newer image",
		},
		"a new client": {
			"Error response from daemon: client version 1.47 is too new. Maximum supported API version is 1.41\n",
			"speaks API 1.47, its daemon at most 1.41", "DOCKER_API_VERSION",
		},
		"a registry without TLS": {
			"Error response from daemon: Get \"https://registry.example.com:5000/v2/\": http: server gave HTTP response to HTTPS client\n",
			"registry.example.com:5000 has no TLS", "insecure = true",
		},
		"a daemon without TLS": {
			"error during connect: Get \"https://docker:2375/v1.47/info\": http: server gave HTTP response to HTTPS client\n",
			"the job's docker daemon listens without TLS", "DOCKER_TLS_VERIFY",
		},
		"certificates in another place": {
			"unable to resolve docker endpoint: open /root/.docker/ca.pem: no such file or directory\n",
			"looks for its certificates in /root/.docker", "DOCKER_CERT_PATH",
		},
		"networks without end": {
			"Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network\n",
			"no address range left", "network.inner_pools",
		},
		"networks without end, by a newer daemon": {
			"Error response from daemon: all predefined address pools have been fully subnetted\n",
			"no address range left", "docker network prune",
		},
		"no login": {
			"no basic auth credentials\n", "not logged in", "docker login",
		},
		"a login that is not enough": {
			"denied: requested access to the resource is denied\n", "refused access", "image's name",
		},
		"a pull that is refused": {
			"Error response from daemon: pull access denied for group/app, repository does not exist or may require 'docker login'\n", "refused access", "image's name",
		},
		"the wrong place": {
			"Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
			"looks for its docker daemon at unix:///var/run/docker.sock", "DOCKER_HOST",
		},
		"a name that nobody has": {
			"dial tcp: lookup dcoker on 127.0.0.11:53: no such host\n", "there is no host dcoker", "alias",
		},
		"the full disk before what follows from it": {
			"no basic auth credentials\nno space left on device\n", "a disk is full", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, ok := Diagnose(c.output, looking.SidecarState{Known: true, Running: true}, stages.EndingUnknown)
			if !ok || !strings.Contains(d.line, c.line) || !strings.Contains(d.hint, c.hint) {
				t.Errorf("got %+v, %v", d, ok)
			}
			if strings.Contains(d.line, "\n") || strings.Contains(d.hint, "\n") {
				t.Errorf("more than a line and a hint: %+v", d)
			}
		})
	}
}

// Whoever looks for a message finds it.
func TestWhatIsDiagnosedIsInTheTroubleshootingPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings strings.Builder
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "## ") || strings.HasPrefix(line, "### ") {
			headings.WriteString(line)
		}
	}
	for _, c := range causes {
		if !c.shows.MatchString(headings.String()) {
			t.Errorf("docs/troubleshooting.md has no heading that matches %s", c.shows)
		}
	}
}

func TestWhatIsNotKnownIsNotDiagnosed(t *testing.T) {
	for _, output := range []string{"", "make: *** [test] Error 1\n", "permission denied\n", "FAIL: lookup of a user\n"} {
		if d, ok := Diagnose(output, looking.SidecarState{Known: true, Running: true}, stages.EndingUnknown); ok {
			t.Errorf("%q is diagnosed as %+v", output, d)
		}
		if d, ok := Diagnose(output, looking.SidecarState{}, stages.EndingUnknown); ok {
			t.Errorf("%q is diagnosed as %+v when the engine does not answer", output, d)
		}
	}
}

func TestTheSidecarsEndExplainsAllElse(t *testing.T) {
	for name, c := range map[string]struct {
		state  looking.SidecarState
		ending stages.Ending
		want   string
	}{
		"out of memory":    {looking.SidecarState{Known: true, ExitCode: 137, OutOfMemory: true}, stages.EndedFromInside, "ran out of memory"},
		"ended":            {looking.SidecarState{Known: true, ExitCode: 2}, stages.EndingUnknown, "has ended (exit code 2)"},
		"ended by the job": {looking.SidecarState{Known: true}, stages.EndedFromInside, "has ended by itself (exit code 0)"},
	} {
		t.Run(name, func(t *testing.T) {
			d, ok := Diagnose("Cannot connect to the Docker daemon at tcp://docker:2376. Is", c.state, c.ending)
			if !ok || !strings.Contains(d.line, c.want) {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestTheTailKeepsTheEnd(t *testing.T) {
	var end Tail
	for range 100 {
		if n, err := end.Write([]byte(strings.Repeat("x", 1000))); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = end.Write([]byte("the end"))
	if got := end.String(); len(got) > tailSize || !strings.HasSuffix(got, "the end") {
		t.Errorf("%d bytes, ending in %q", len(got), got[max(0, len(got)-20):])
	}
}

func TestWhatRanOutOfMemoryIsNamedWithItsSetting(t *testing.T) {
	for role, c := range map[plan.Role]struct{ line, hint string }{
		plan.RoleSidecar: {"the docker daemon of this job, or a container or build in it, ran out of memory: the limit is 64 MB", "limits.sidecar.memory"},
		plan.RoleJob:     {"the job's script ran out of memory: the limit is 64 MB", "limits.job.memory"},
		plan.RoleHelper:  {"the helper, which clones and caches, ran out of memory: the limit is 64 MB", "limits.helper.memory"},
		plan.RoleService: {"service redis:7 ran out of memory: the limit is 64 MB", "limits.services.memory"},
	} {
		got := OutOfMemory(stages.OutOfMemory{Role: role, Name: "redis:7", Limit: 64 << 20})
		if got.line != c.line || !strings.Contains(got.hint, c.hint) {
			t.Errorf("%s: %+v", role, got)
		}
		got = OutOfMemory(stages.OutOfMemory{Role: role, Name: "redis:7"})
		if strings.Contains(got.line+got.hint, "limits.") {
			t.Errorf("%s without a limit: %+v", role, got)
		}
	}
}
