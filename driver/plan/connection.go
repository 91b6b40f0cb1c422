package plan

import (
	"path"
	"slices"
	"strings"

	"gitlab-dind-executor/config"
)

// The inner daemon's place unless the job names another.
const (
	dockerAlias = "docker"
	// CertDir is the directory for certificates in sidecar and job container.
	CertDir        = "/certs"
	TLSPort        = 2376
	PlaintextPort  = 2375
	clientCertPath = "client"
	// ClientCerts is the directory for the client's certificates in a sidecar.
	ClientCerts = CertDir + "/" + clientCertPath
)

// connection says how the job reaches its inner daemon.
type connection struct {
	tls bool
	// environment holds variables that the job did not set itself.
	environment []string
	// certDirs are the directories where the job looks for client certificates.
	certDirs []string
	warnings []string
	// reason says why the connection has no TLS. remedy says how to get TLS.
	reason, remedy string
}

// connect decides between TLS and plaintext by the job's own variables, and adds missing
// variables. A port in DOCKER_HOST counts most, then an empty DOCKER_TLS_CERTDIR, then the
// dind service's command. With the docker executor people must make these agree; here
// connect does so. names are the daemon's own names. A DOCKER_HOST with another name says
// nothing about this daemon.
func connect(vars []Variable, declared *Service, names []string) connection {
	own := effective(vars)
	at := endpointOf(own["DOCKER_HOST"])
	elsewhere := at.elsewhere(names)
	certs, certsSet := own["DOCKER_TLS_CERTDIR"]
	if elsewhere && declared == nil {
		certsSet = false // the variable concerns the daemon in DOCKER_HOST
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
		// The entrypoint of docker's own images uses certificates in this directory for any
		// DOCKER_HOST with tcp.
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

// plaintextCommand tells whether a dind service's command turns TLS off. A flag and its
// value may be separate words.
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

// ClientKeyVariable is the variable by which a pipeline chooses the type of the client's
// key: its author knows the clients in the job.
const ClientKeyVariable = "DIND_CLIENT_KEY"

// clientKey tells whether the client's key is RSA. odd are warnings about the variable.
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

// daemonNames returns the names of a sidecar with the service's image.
func daemonNames(svc Service) []string {
	names := aliases(svc)
	if !slices.Contains(names, dockerAlias) {
		names = append([]string{dockerAlias}, names...)
	}
	return names
}

// UsedFile is a file in a sidecar that a job has had. The job container is the same sign
// from the first moment on, but anybody can remove the container. The file is beside the
// client's certificates, so a single look finds both.
const UsedFile = ClientCerts + "/used"
