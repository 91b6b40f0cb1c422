package joblog

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stages"
)

// Tail keeps the end of what a script printed, to look for the reason of its
// failure there. It is safe for several goroutines.
type Tail struct {
	mu  sync.Mutex
	buf []byte
}

// tailSize is enough for the last step of a build with its context.
const tailSize = 32 << 10

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailSize {
		t.buf = append([]byte(nil), t.buf[len(t.buf)-tailSize:]...)
	}
	return len(p), nil
}

// String is what has been kept, 32 KiB at most.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf[max(0, len(t.buf)-tailSize):])
}

// Diagnosis is what is said after a script that failed, if anything.
type Diagnosis struct{ line, hint string }

// cause is a known reason for a failed script and how it shows in its output.
type cause struct {
	shows *regexp.Regexp
	line  func(match []string) string
	hint  string
}

func says(line string) func([]string) string { return func([]string) string { return line } }

var noSpace = regexp.MustCompile(`(?i)no space left on device`)

// smallDisk explains noSpace where the daemon has a disk of its own, in bytes.
func smallDisk(size int64) Diagnosis {
	return Diagnosis{
		fmt.Sprintf("a disk is full; that of this job's docker daemon holds %s", config.Size(size)),
		"make builds smaller, or ask the runner's admin to raise gvisor.size in the settings",
	}
}

// causes stand in the order in which they are looked for: what explains others
// first.
var causes = []cause{
	{
		noSpace,
		says("a disk is full"),
		"the job's images and layers are on the runner host's disk: make builds smaller, or tell the runner's admin (df -h, gitlab-dind-executor gc)",
	},
	{
		regexp.MustCompile(`(?:https://([A-Za-z0-9.:-]+)/[^\n]*)?x509: certificate signed by unknown authority`),
		func(m []string) string {
			if m[1] == "" {
				return "a registry's certificate is signed by a CA that this job's docker daemon does not know"
			}
			return "the certificate of " + m[1] + " is signed by a CA that this job's docker daemon does not know"
		},
		`ask the runner's admin to name the CA in dind.toml: [registry."host:port"] ca_file = "…"; gitlab-dind-executor doctor tells whether it is the right one`,
	},
	{
		regexp.MustCompile(`https://docker:[0-9]+/[^\n]*server gave HTTP response to HTTPS client`),
		says("the job's docker daemon listens without TLS, and its client wants TLS"),
		"leave DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_TLS_CERTDIR out of the pipeline: this runner sets them",
	},
	{
		regexp.MustCompile(`(?:https://([A-Za-z0-9.:-]+)/[^\n]*)?server gave HTTP response to HTTPS client`),
		func(m []string) string {
			if m[1] == "" {
				return "a registry has no TLS"
			}
			return m[1] + " has no TLS"
		},
		`give the registry a certificate, or ask the runner's admin for [registry."host:port"] insecure = true in dind.toml`,
	},
	{
		regexp.MustCompile(`open ([^\s:]+)/ca\.pem: no such file`),
		func(m []string) string { return "the docker client looks for its certificates in " + m[1] },
		"leave DOCKER_CERT_PATH and DOCKER_TLS_CERTDIR out of the pipeline: this runner sets them",
	},
	{
		regexp.MustCompile(`could not find an available, non-overlapping IPv4 address pool|all predefined address pools have been fully subnetted`),
		says("the job's docker daemon has no address range left for one more network"),
		"remove networks that are not needed any more (docker network prune), or ask the runner's admin for wider ranges in network.inner_pools",
	},
	{
		regexp.MustCompile(`(?i)toomanyrequests|too many requests`),
		says("the registry limits how much may be pulled"),
		"log in to it before, or pull through the dependency proxy or a mirror",
	},
	{
		regexp.MustCompile(`client version ([0-9.]+) is too old\. Minimum supported API version is ([0-9.]+)`),
		func(m []string) string {
			return fmt.Sprintf("the docker client of the job's image speaks API %s, its daemon at least %s", m[1], m[2])
		},
		"use a newer image: for the job, or an older docker:<version>-dind as its service",
	},
	{
		regexp.MustCompile(`client version ([0-9.]+) is too new\. Maximum supported API version is ([0-9.]+)`),
		func(m []string) string {
			return fmt.Sprintf("the docker client of the job's image speaks API %s, its daemon at most %s", m[1], m[2])
		},
		"use a newer docker:<version>-dind as the service, or set DOCKER_API_VERSION for the client",
	},
	{
		regexp.MustCompile(`no basic auth credentials`),
		says("the job is not logged in to the registry"),
		"run docker login with that registry's name before: docker login -u $CI_REGISTRY_USER -p $CI_REGISTRY_PASSWORD $CI_REGISTRY",
	},
	{
		regexp.MustCompile(`(?:pull access )?denied(?: for|:| to)|insufficient_scope|unauthorized: `),
		says("the registry refused access"),
		"check the image's name, and that the job is logged in as somebody who may do this (a job token can push to its own project only)",
	},
	{
		regexp.MustCompile(`Cannot connect to the Docker daemon at ([^\s]+?)\.? `),
		func(m []string) string { return "the job looks for its docker daemon at " + m[1] },
		"leave DOCKER_HOST out of the pipeline: this runner sets it",
	},
	{
		regexp.MustCompile(`lookup ([A-Za-z0-9.-]+)(?: on [^\s]+)?: no such host`),
		func(m []string) string { return "there is no host " + m[1] + " for this job" },
		"check the name; services are reached by their alias, the docker daemon as docker",
	},
}

// OutOfMemory explains what the kernel killed. Whatever a job runs by docker
// counts as its daemon's.
func OutOfMemory(o stages.OutOfMemory) Diagnosis {
	if o.Role == plan.RoleRelay { // whose limit is no setting
		return Diagnosis{
			"the relay that asks for names for this job's docker daemon ran out of memory",
			"ask for fewer names at once, or run the job again",
		}
	}
	what := map[plan.Role]string{
		plan.RoleSidecar: "the docker daemon of this job, or a container or build in it,",
		plan.RoleJob:     "the job's script",
		plan.RoleHelper:  "the helper, which clones and caches,",
		plan.RoleService: "service " + o.Name,
	}[o.Role]
	if o.Limit == 0 {
		return Diagnosis{
			what + " ran out of memory",
			"a limit that the pipeline itself has set, or all of the runner host's memory, is used up",
		}
	}
	return Diagnosis{
		fmt.Sprintf("%s ran out of memory: the limit is %s", what, config.Size(o.Limit)),
		"use less, or ask the runner's admin to raise " + plan.LimitKey(o.Role) + ".memory in the settings",
	}
}

// Diagnose looks for the reason of a failed script: first at the sidecar, then
// in the end of the output. It says nothing when it knows nothing.
func Diagnose(output string, sidecar looking.SidecarState, ending stages.Ending) (Diagnosis, bool) {
	switch {
	case !sidecar.Known || sidecar.Running:
	case sidecar.OutOfMemory:
		return Diagnosis{
			"the docker daemon of this job ran out of memory",
			"build less at once, or ask the runner's admin for more memory for the sidecar",
		}, true
	case ending == stages.EndedFromInside:
		return Diagnosis{
			fmt.Sprintf("the docker daemon of this job has ended by itself (exit code %d)", sidecar.ExitCode),
			"a command of the job may have ended it, or it failed; the runner's admin finds its last lines with gitlab-dind-executor explain",
		}, true
	default:
		return Diagnosis{
			fmt.Sprintf("the docker daemon of this job has ended (exit code %d)", sidecar.ExitCode),
			"run the job again; the runner's admin finds its last lines with gitlab-dind-executor explain",
		}, true
	}
	for _, c := range causes {
		if m := c.shows.FindStringSubmatch(output); m != nil {
			if c.shows == noSpace && sidecar.DataSize > 0 {
				return smallDisk(sidecar.DataSize), true
			}
			return Diagnosis{strings.TrimSpace(c.line(m)), c.hint}, true
		}
	}
	return Diagnosis{}, false
}
