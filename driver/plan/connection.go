package plan

import (
	"net/url"
	"path"
	"strings"
)

// Where the inner daemon is found unless the job says otherwise.
const (
	dockerAlias = "docker"
	// CertDir is where sidecar and job have their certificates.
	CertDir        = "/certs"
	TLSPort        = 2376
	PlaintextPort  = 2375
	clientCertPath = "client"
	// ClientCerts is where a sidecar has the client's certificates.
	ClientCerts = CertDir + "/" + clientCertPath
)

// connection is how the job reaches its inner daemon.
type connection struct {
	tls bool
	// environment holds what the job did not set itself.
	environment []string
	// certDirs are the directories where the job looks for client certificates.
	certDirs []string
	warnings []string
	// reason says why it is not over TLS, and remedy what to do about it.
	reason, remedy string
}

// connect decides between TLS and plaintext from what the job says itself, and
// fills in what it left out. A port in DOCKER_HOST is the strongest word, then
// an empty DOCKER_TLS_CERTDIR, then the dind service's own command: with the
// docker executor these must agree by hand, here they are made to.
func connect(vars []Variable, declared *Service) connection {
	own := map[string]string{}
	for _, v := range vars {
		own[v.Key] = v.Value
	}
	certs, certsSet := own["DOCKER_TLS_CERTDIR"]
	if !certsSet && declared != nil {
		for _, v := range declared.Variables {
			if v.Key == "DOCKER_TLS_CERTDIR" {
				certs, certsSet = v.Value, true
			}
		}
	}

	var c connection
	switch port := hostPort(own["DOCKER_HOST"]); {
	case port == "2376":
		c.tls = true
	case port == "2375":
		c.reason = "DOCKER_HOST names port 2375"
		c.remedy = "take DOCKER_HOST out of the pipeline: without it docker finds the daemon over TLS"
	case certsSet && certs == "":
		c.reason = "DOCKER_TLS_CERTDIR is empty"
		c.remedy = "take DOCKER_TLS_CERTDIR: \"\" out of the pipeline: without it docker finds the daemon over TLS"
	case declared != nil && plaintextCommand(declared.Command):
		c.reason = "the dind service's command asks for it"
		c.remedy = "take --tls=false and --host out of the dind service's command: without them docker finds the daemon over TLS"
	default:
		c.tls = true
	}

	add := func(key, value string) {
		if _, set := own[key]; !set {
			c.environment = append(c.environment, key+"="+value)
		}
	}
	if !c.tls {
		c.warnings = append(c.warnings, "the docker daemon of this job listens without TLS, since "+c.reason+
			"; remove that setting to have TLS")
		add("DOCKER_HOST", "tcp://"+dockerAlias+":2375")
		add("DOCKER_TLS_CERTDIR", "")
		return c
	}
	if certs == "" || !path.IsAbs(certs) {
		certs = CertDir
	}
	add("DOCKER_HOST", "tcp://"+dockerAlias+":2376")
	add("DOCKER_TLS_VERIFY", "1")
	add("DOCKER_CERT_PATH", path.Join(certs, clientCertPath))
	add("DOCKER_TLS_CERTDIR", certs)
	c.certDirs = []string{path.Join(certs, clientCertPath)}
	if p := own["DOCKER_CERT_PATH"]; path.IsAbs(p) && path.Clean(p) != c.certDirs[0] {
		c.certDirs = append(c.certDirs, path.Clean(p))
	}
	return c
}

func hostPort(dockerHost string) string {
	u, err := url.Parse(dockerHost)
	if err != nil {
		return ""
	}
	return u.Port()
}

// plaintextCommand tells whether a dind service's command turns TLS off. A
// flag's value may be a word of its own.
func plaintextCommand(command []string) bool {
	for i, arg := range command {
		flag, value, joined := strings.Cut(arg, "=")
		if !joined && i+1 < len(command) {
			value = command[i+1]
		}
		switch flag {
		case "--tls", "--tlsverify":
			if joined && value == "false" {
				return true
			}
		case "--host", "-H":
			if hostPort(value) == "2375" {
				return true
			}
		}
	}
	return false
}

// UsedFile in a sidecar says that a job has had it. The job container says so,
// too, and from the first moment on, but anybody can remove that. It lies with
// the client's certificates, so that one look finds both.
const UsedFile = ClientCerts + "/used"
