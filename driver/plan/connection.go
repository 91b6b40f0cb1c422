package plan

import (
	"path"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
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
// docker executor these must agree by hand, here they are made to. names are
// the daemon's own: a DOCKER_HOST with another says nothing about it.
func connect(vars []Variable, declared *Service, names []string) connection {
	own := effective(vars)
	at := endpointOf(own["DOCKER_HOST"])
	elsewhere := at.elsewhere(names)
	certs, certsSet := own["DOCKER_TLS_CERTDIR"]
	if elsewhere && declared == nil {
		certsSet = false // it is for a daemon that this job does not have
	}
	if _, set := own["DOCKER_TLS_CERTDIR"]; !set && declared != nil {
		for _, v := range declared.Variables {
			if v.Key == "DOCKER_TLS_CERTDIR" {
				certs, certsSet = v.Value, true
			}
		}
	}

	var c connection
	switch {
	case !elsewhere && at.port == "2376":
		c.tls = true
	case !elsewhere && at.port == "2375":
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
	if !c.tls {
		c.warnings = append(c.warnings, "the docker daemon of this job listens without TLS, since "+c.reason+
			"; remove that setting to have TLS")
	}

	add := func(key, value string) {
		if _, set := own[key]; !set {
			c.environment = append(c.environment, key+"="+value)
		}
	}
	if certs == "" || !path.IsAbs(certs) {
		certs = CertDir
	}
	clientDir := path.Join(certs, clientCertPath)
	theirs := own["DOCKER_CERT_PATH"]
	if path.IsAbs(theirs) {
		theirs = path.Clean(theirs)
	}
	switch {
	case elsewhere:
		c.warnings = append(c.warnings, at.warnings()...)
		// The entrypoint of docker's own images takes certificates that it finds there
		// for those of any DOCKER_HOST with tcp.
		add("DOCKER_TLS_CERTDIR", "")
		if c.tls && own["DOCKER_TLS_CERTDIR"] == "" && theirs != clientDir {
			c.certDirs = []string{clientDir}
		}
	case !c.tls:
		add("DOCKER_HOST", "tcp://"+dockerAlias+":2375")
		add("DOCKER_TLS_CERTDIR", "")
	default:
		add("DOCKER_HOST", "tcp://"+dockerAlias+":2376")
		add("DOCKER_TLS_VERIFY", "1")
		add("DOCKER_CERT_PATH", clientDir)
		add("DOCKER_TLS_CERTDIR", certs)
		c.certDirs = []string{clientDir}
		if path.IsAbs(theirs) && theirs != clientDir {
			c.certDirs = append(c.certDirs, theirs)
		}
	}
	return c
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
			if endpointOf(value).port == "2375" {
				return true
			}
		}
	}
	return false
}

// ClientKeyVariable is the variable by which a pipeline chooses the type of the
// client's key: who writes it knows the clients that the job has.
const ClientKeyVariable = "DIND_CLIENT_KEY"

// clientKey tells whether the client's key is of RSA, and what is odd about it.
func clientKey(s config.Sidecar, vars []Variable) (rsa bool, odd []string) {
	kind := s.ClientKey
	switch wish := strings.ToLower(value(vars, ClientKeyVariable)); {
	case slices.Contains(config.ClientKeys, wish):
		kind = wish
	case wish != "":
		odd = append(odd, ClientKeyVariable+" must be "+strings.Join(config.ClientKeys, " or ")+"; the key is of type "+kind)
	}
	return kind == config.ClientKeyRSA, odd
}

// daemonNames are what a sidecar with that service's image answers to.
func daemonNames(svc Service) []string {
	names := aliases(svc)
	if !slices.Contains(names, dockerAlias) {
		names = append([]string{dockerAlias}, names...)
	}
	return names
}

// UsedFile in a sidecar says that a job has had it. The job container says so,
// too, and from the first moment on, but anybody can remove that. It lies with
// the client's certificates, so that one look finds both.
const UsedFile = ClientCerts + "/used"
