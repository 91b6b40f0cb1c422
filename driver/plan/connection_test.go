package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func vars(kv ...string) []Variable {
	var list []Variable
	for _, s := range kv {
		k, v, _ := strings.Cut(s, "=")
		list = append(list, Variable{Key: k, Value: v, Public: true})
	}
	return list
}

// env returns the variables in a list as a map.
func env(list []string) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		k, v, _ := strings.Cut(kv, "=")
		m[k] = v
	}
	return m
}

func TestConnectionOfAJobToItsDaemon(t *testing.T) {
	all := map[string]string{
		"DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_VERIFY": "1",
		"DOCKER_CERT_PATH": "/certs/client", "DOCKER_TLS_CERTDIR": "/certs",
	}
	without := func(keys ...string) map[string]string {
		m := map[string]string{}
		for k, v := range all {
			m[k] = v
		}
		for _, k := range keys {
			delete(m, k)
		}
		return m
	}
	// noTLS is for a job whose DOCKER_HOST is another daemon.
	noTLS := map[string]string{"DOCKER_TLS_CERTDIR": ""}
	plaintext := map[string]string{"DOCKER_HOST": "tcp://docker:2375", "DOCKER_TLS_CERTDIR": ""}
	dind := func(command []string, variables ...string) *Service {
		return &Service{Image: Image{Name: "docker:dind"}, Command: command, Variables: vars(variables...)}
	}
	for name, c := range map[string]struct {
		vars     []Variable
		declared *Service
		names    []string
		tls      bool
		env      map[string]string
		certDirs []string
		reason   string
	}{
		"a job that says nothing has TLS": {
			tls: true, env: all, certDirs: []string{"/certs/client"},
		},
		"a dind service that says nothing has TLS": {
			declared: dind(nil), tls: true, env: all, certDirs: []string{"/certs/client"},
		},
		"the documented variables change nothing": {
			vars: vars("DOCKER_HOST=tcp://docker:2376", "DOCKER_TLS_CERTDIR=/certs"), declared: dind(nil),
			tls: true, env: without("DOCKER_HOST", "DOCKER_TLS_CERTDIR"), certDirs: []string{"/certs/client"},
		},
		"all of the documentation's variables": {
			vars: vars("DOCKER_HOST=tcp://docker:2376", "DOCKER_TLS_CERTDIR=/certs", "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=/certs/client"),
			tls:  true, env: map[string]string{}, certDirs: []string{"/certs/client"},
		},
		"another directory for the certificates is honoured": {
			vars: vars("DOCKER_TLS_CERTDIR=/tls/"), tls: true, certDirs: []string{"/tls/client"},
			env: map[string]string{"DOCKER_HOST": "tcp://docker:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/tls/client"},
		},
		"another path of the client's certificates gets them too": {
			vars: vars("DOCKER_CERT_PATH=/home/me/.docker"), tls: true, env: without("DOCKER_CERT_PATH"),
			certDirs: []string{"/certs/client", "/home/me/.docker"},
		},
		"the usual path with a slash at its end is no other one": {
			vars: vars("DOCKER_CERT_PATH=/certs/client/"), tls: true, env: without("DOCKER_CERT_PATH"),
			certDirs: []string{"/certs/client"},
		},
		"a relative certificate path is the job's own affair": {
			vars: vars("DOCKER_CERT_PATH=certs"), tls: true, env: without("DOCKER_CERT_PATH"), certDirs: []string{"/certs/client"},
		},
		"a relative directory for the certificates is passed over": {
			vars: vars("DOCKER_TLS_CERTDIR=certs"), tls: true, env: without("DOCKER_TLS_CERTDIR"), certDirs: []string{"/certs/client"},
		},
		"port 2375 means plaintext": {
			vars: vars("DOCKER_HOST=tcp://docker:2375"), env: map[string]string{"DOCKER_TLS_CERTDIR": ""}, reason: "DOCKER_HOST names port 2375",
		},
		"an empty DOCKER_TLS_CERTDIR means plaintext": {
			vars: vars("DOCKER_TLS_CERTDIR="), env: map[string]string{"DOCKER_HOST": "tcp://docker:2375"}, reason: "DOCKER_TLS_CERTDIR is empty",
		},
		"both habits of old together": {
			vars: vars("DOCKER_HOST=tcp://docker:2375", "DOCKER_TLS_CERTDIR="), env: map[string]string{}, reason: "DOCKER_HOST names port 2375",
		},
		"port 2375 beats certificates": {
			vars: vars("DOCKER_HOST=tcp://docker:2375", "DOCKER_TLS_CERTDIR=/certs"), env: map[string]string{}, reason: "DOCKER_HOST names port 2375",
		},
		"port 2376 beats an empty DOCKER_TLS_CERTDIR": {
			vars: vars("DOCKER_HOST=tcp://docker:2376", "DOCKER_TLS_CERTDIR="), tls: true,
			env: without("DOCKER_HOST", "DOCKER_TLS_CERTDIR"), certDirs: []string{"/certs/client"},
		},
		"port 2376 beats a service's command": {
			vars: vars("DOCKER_HOST=tcp://docker:2376"), declared: dind([]string{"--tls=false"}), tls: true,
			env: without("DOCKER_HOST"), certDirs: []string{"/certs/client"},
		},
		"an empty DOCKER_TLS_CERTDIR of the service alone means plaintext": {
			declared: dind(nil, "DOCKER_TLS_CERTDIR="), env: plaintext, reason: "DOCKER_TLS_CERTDIR is empty",
		},
		"the job's DOCKER_TLS_CERTDIR beats the service's": {
			vars: vars("DOCKER_TLS_CERTDIR=/certs"), declared: dind(nil, "DOCKER_TLS_CERTDIR="), tls: true,
			env: without("DOCKER_TLS_CERTDIR"), certDirs: []string{"/certs/client"},
		},
		"a service's other variables say nothing of TLS": {
			declared: dind(nil, "DOCKER_DRIVER=overlay2"), tls: true, env: all, certDirs: []string{"/certs/client"},
		},
		"a service's --tls=false means plaintext": {
			declared: dind([]string{"--tls=false"}), env: plaintext, reason: "the dind service's command asks for it",
		},
		"a service's --tlsverify=false means plaintext": {
			declared: dind([]string{"--mtu=1400", "--tlsverify=false"}), env: plaintext, reason: "the dind service's command asks for it",
		},
		"a service's --host with port 2375 means plaintext": {
			declared: dind([]string{"dockerd", "--host=tcp://0.0.0.0:2375"}), env: plaintext, reason: "the dind service's command asks for it",
		},
		"a service's --host in two words means plaintext": {
			declared: dind([]string{"dockerd", "--host", "tcp://0.0.0.0:2375"}), env: plaintext, reason: "the dind service's command asks for it",
		},
		"a service's -H with port 2375 means plaintext": {
			declared: dind([]string{"dockerd", "-H", "unix:///var/run/docker.sock", "-H", "tcp://0.0.0.0:2375"}),
			env:      plaintext, reason: "the dind service's command asks for it",
		},
		"a service's --host with port 2376 keeps TLS": {
			declared: dind([]string{"--host=tcp://0.0.0.0:2376"}), tls: true, env: all, certDirs: []string{"/certs/client"},
		},
		"another name of the daemon keeps its port's meaning": {
			vars: vars("DOCKER_HOST=tcp://dind:2375"), names: []string{"dind"},
			env: map[string]string{"DOCKER_TLS_CERTDIR": ""}, reason: "DOCKER_HOST names port 2375",
		},
		"another name of the daemon with TLS": {
			vars: vars("DOCKER_HOST=tcp://registry.example.com__group__docker:2376"), names: []string{"registry.example.com__group__docker"}, tls: true,
			env: without("DOCKER_HOST"), certDirs: []string{"/certs/client"},
		},
		"the daemon's name in capitals, with a dot at its end": {
			vars: vars("DOCKER_HOST=tcp://Docker.:2375"), env: map[string]string{"DOCKER_TLS_CERTDIR": ""}, reason: "DOCKER_HOST names port 2375",
		},
		"the daemon without a scheme": {
			vars: vars("DOCKER_HOST=docker:2375"), env: map[string]string{"DOCKER_TLS_CERTDIR": ""}, reason: "DOCKER_HOST names port 2375",
		},
		"a DOCKER_HOST without a port is kept and has TLS": {
			vars: vars("DOCKER_HOST=tcp://docker"), tls: true, env: without("DOCKER_HOST"), certDirs: []string{"/certs/client"},
		},
		"nonsense as DOCKER_HOST is kept": {
			vars: vars("DOCKER_HOST=tcp://[::1:2375%"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"another host without TLS": {
			vars: vars("DOCKER_HOST=tcp://swarm-manager.example.com:2375"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"another host with TLS, and certificates of its own": {
			vars: vars("DOCKER_HOST=tcp://prod.example.com:2376", "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=/certs/prod"), tls: true,
			env: noTLS, certDirs: []string{"/certs/client"},
		},
		"another host's certificates where the daemon's are usual": {
			vars: vars("DOCKER_HOST=tcp://prod.example.com:2376", "DOCKER_CERT_PATH=/certs/client/"), tls: true, env: noTLS,
		},
		"another host, and a directory of certificates that docker's entrypoint would take": {
			vars: vars("DOCKER_HOST=tcp://prod.example.com:2375", "DOCKER_TLS_CERTDIR=/certs"), tls: true, env: map[string]string{},
		},
		"another host by its address": {
			vars: vars("DOCKER_HOST=tcp://192.0.2.7:2375"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"another host by its address of version 6": {
			vars: vars("DOCKER_HOST=tcp://[2001:db8::7]:2375"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"another host without a scheme": {
			vars: vars("DOCKER_HOST=prod.example.com:2375"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"another host over ssh": {
			vars: vars("DOCKER_HOST=ssh://deploy@prod.example.com"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"a host whose name begins as the daemon's": {
			vars: vars("DOCKER_HOST=tcp://docker.example.com:2375"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"a service that is not the daemon": {
			vars: vars("DOCKER_HOST=tcp://socket-proxy:2375"), declared: dind(nil), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"another host, where no daemon of the job's is declared that could do without TLS": {
			vars: vars("DOCKER_HOST=tcp://prod.example.com:2375", "DOCKER_TLS_CERTDIR="), tls: true, env: map[string]string{}, certDirs: []string{"/certs/client"},
		},
		"another host, and a dind service that asks for plaintext": {
			vars: vars("DOCKER_HOST=tcp://prod.example.com:2375"), declared: dind(nil, "DOCKER_TLS_CERTDIR="), env: noTLS, reason: "DOCKER_TLS_CERTDIR is empty",
		},
		"another host, and a dind service whose command asks for plaintext": {
			vars: vars("DOCKER_HOST=ssh://prod.example.com"), declared: dind([]string{"--tls=false"}), env: noTLS, reason: "the dind service's command asks for it",
		},
		"a pipe of Windows": {
			vars: vars("DOCKER_HOST=npipe:////./pipe/docker_engine"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"an inherited socket": {
			vars: vars("DOCKER_HOST=fd://"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"a socket that the script makes": {
			vars: vars("DOCKER_HOST=unix:///tmp/tunnel.sock"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
		},
		"the socket of a host": {
			vars: vars("DOCKER_HOST=unix:///var/run/docker.sock"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
			reason: `remove DOCKER_HOST: "unix:///var/run/docker.sock" from the pipeline's variables`,
		},
		"its other path": {
			vars: vars("DOCKER_HOST=unix:///run/docker.sock"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
			reason: `remove DOCKER_HOST: "unix:///run/docker.sock"`,
		},
		"the client's own default, and what is no part of it": {
			vars: vars("DOCKER_HOST=unix://user:marked-secret@/?x"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
			reason: `remove DOCKER_HOST: "unix:///"`,
		},
		"the port of a tunnel in the job's own container": {
			vars: vars("DOCKER_HOST=tcp://localhost:2375"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
			reason: "DOCKER_HOST names the job's own container",
		},
		"the same by an address": {
			vars: vars("DOCKER_HOST=tcp://127.0.0.1:2375"), tls: true, env: noTLS, certDirs: []string{"/certs/client"},
			reason: "DOCKER_HOST names the job's own container",
		},
		"a port of the job's own container that leads to the daemon with TLS": {
			vars: vars("DOCKER_HOST=tcp://localhost:2376"), tls: true, env: without("DOCKER_HOST"), certDirs: []string{"/certs/client"},
		},
		"an own DOCKER_TLS_VERIFY is kept": {
			vars: vars("DOCKER_TLS_VERIFY=0"), tls: true, env: without("DOCKER_TLS_VERIFY"), certDirs: []string{"/certs/client"},
		},
		"the last of duplicates counts": {
			vars: vars("DOCKER_HOST=tcp://docker:2375", "DOCKER_HOST=tcp://docker:2376"), tls: true,
			env: without("DOCKER_HOST"), certDirs: []string{"/certs/client"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := connect(c.vars, c.declared, append([]string{"docker"}, c.names...))
			if got.tls != c.tls {
				t.Errorf("tls is %t", got.tls)
			}
			if strings.Contains(strings.Join(got.warnings, ""), "marked-secret") {
				t.Errorf("warns with a secret: %q", got.warnings)
			}
			if diff := cmp.Diff(c.env, env(got.environment)); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.certDirs, got.certDirs); diff != "" {
				t.Errorf("certificate directories (-want +got):\n%s", diff)
			}
			switch {
			case c.reason == "" && len(got.warnings) > 0:
				t.Errorf("warns: %q", got.warnings)
			case c.reason != "" && (len(got.warnings) != 1 || !strings.Contains(got.warnings[0], c.reason)):
				t.Errorf("warns %q, want one for: %s", got.warnings, c.reason)
			}
		})
	}
}

func TestPlaintextMayBeForbidden(t *testing.T) {
	for name, c := range map[string]struct {
		vars    []Variable
		command []string
		hint    string
	}{
		"by the variable":      {vars: vars("DOCKER_TLS_CERTDIR="), hint: `take DOCKER_TLS_CERTDIR: "" out of the pipeline`},
		"by the daemon's port": {vars: vars("DOCKER_HOST=tcp://docker:2375"), hint: "take DOCKER_HOST out of the pipeline"},
		"by flags":             {command: []string{"--tls=false"}, hint: "take --tls=false and --host out of the dind service's command"},
		"by a whole command":   {command: []string{"dockerd", "--host=tcp://0.0.0.0:2375", "--tls=false"}, hint: "take --tls=false"},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			job.Variables = c.vars
			job.Services = []Service{{Image: Image{Name: "docker:dind"}, Command: c.command}}
			if p, err := Build(s, job, facts); err != nil || len(p.Warnings) != 1 {
				t.Fatalf("by default: %v", err)
			}
			s.Sidecar.Plaintext = config.PlaintextForbid
			_, err := Build(s, job, facts)
			if !fault.IsOfJob(err) || !strings.Contains(err.Error(), "this runner forbids it") || !strings.HasPrefix(fault.HintOf(err), c.hint) {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
	for name, variables := range map[string][]Variable{
		"a job with TLS":                        nil,
		"a job that goes to another host":       vars("DOCKER_HOST=tcp://prod.example.com:2375"),
		"one that says so in both ways":         vars("DOCKER_HOST=tcp://prod.example.com:2375", "DOCKER_TLS_CERTDIR="),
		"a job with a tunnel to another daemon": vars("DOCKER_HOST=tcp://localhost:2375"),
	} {
		s, job, facts := example()
		s.Sidecar.Plaintext = config.PlaintextForbid
		job.Variables = variables
		if p, err := Build(s, job, facts); err != nil || p.Sidecar.TLS == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The entrypoint of docker's own images uses certificates that it finds at
// DOCKER_TLS_CERTDIR.
func TestAJobThatGoesToAnotherHostHasNoCertificatesWhereDockersEntrypointTakesThem(t *testing.T) {
	for _, host := range []string{"tcp://prod.example.com:2375", "tcp://prod.example.com:2376", "tcp://198.51.100.1"} {
		for _, more := range [][]string{nil, {"DOCKER_TLS_CERTDIR=/certs"}, {"DOCKER_TLS_CERTDIR=/other"}, {"DOCKER_CERT_PATH=/certs/client"}} {
			s, job, facts := example()
			job.Variables = vars(append(more, "DOCKER_HOST="+host)...)
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			given := env(p.Job.Environment)
			dir := given["DOCKER_TLS_CERTDIR"] + "/client"
			if p.Job.CertsPath == dir || slices.Contains(p.Job.CertDirs, dir) {
				t.Errorf("%s %q: there are certificates in %s", host, more, dir)
			}
			if own := given["DOCKER_CERT_PATH"]; own != "" && (p.Job.CertsPath == own || len(p.Job.CertDirs) > 0) || given["DOCKER_TLS_VERIFY"] != "" {
				t.Errorf("%s %q: the environment is %v", host, more, given)
			}
		}
	}
}

func TestTheTypeOfTheClientsKey(t *testing.T) {
	for name, c := range map[string]struct {
		setting string
		vars    []Variable
		want    bool
		odd     bool
	}{
		"the default":                 {config.ClientKeyECDSA, nil, false, false},
		"the setting":                 {config.ClientKeyRSA, nil, true, false},
		"the pipeline":                {config.ClientKeyECDSA, vars("DIND_CLIENT_KEY=rsa"), true, false},
		"the pipeline in capitals":    {config.ClientKeyECDSA, vars("DIND_CLIENT_KEY=RSA"), true, false},
		"the pipeline says the usual": {config.ClientKeyRSA, vars("DIND_CLIENT_KEY=ecdsa"), false, false},
		"the pipeline says nothing":   {config.ClientKeyRSA, vars("DIND_CLIENT_KEY="), true, false},
		"nonsense":                    {config.ClientKeyECDSA, vars("DIND_CLIENT_KEY=ed25519"), false, true},
		"without TLS":                 {config.ClientKeyRSA, vars("DOCKER_TLS_CERTDIR=", "DIND_CLIENT_KEY=x"), false, false},
	} {
		s, job, facts := example()
		s.Sidecar.ClientKey, job.Variables = c.setting, c.vars
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Sidecar.TLS != nil && p.Sidecar.TLS.RSA
		odd := slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "DIND_CLIENT_KEY must be ecdsa or rsa") })
		if got != c.want || odd != c.odd {
			t.Errorf("%s: it is of RSA %t, the warnings are %q", name, got, p.Warnings)
		}
	}
}
