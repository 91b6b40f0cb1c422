package plan

import (
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestWhatADindServicesCommandMayDo(t *testing.T) {
	flags := config.Sidecar{Commands: config.CommandsFlags}
	either := config.Sidecar{Commands: config.CommandsAny}
	for name, c := range map[string]struct {
		settings   config.Sidecar
		command    []string
		entrypoint []string
		refused    string
	}{
		"none":                         {flags, nil, nil, ""},
		"flags":                        {flags, []string{"--mtu=1400", "--registry-mirror", "https://mirror"}, nil, ""},
		"dockerd with flags":           {flags, []string{"dockerd", "--host=tcp://0.0.0.0:2375", "--tls=false"}, nil, ""},
		"the entrypoint with flags":    {flags, []string{"/usr/local/bin/dockerd-entrypoint.sh", "--mtu=1400"}, nil, ""},
		"the documented listeners":     {either, []string{"-H", "tcp://0.0.0.0:2375", "--host", "unix:///var/run/docker.sock"}, nil, ""},
		"a shell, allowed":             {either, []string{"sh", "-c", "dockerd-entrypoint.sh --mtu=1400"}, nil, ""},
		"an entrypoint, allowed":       {either, nil, []string{"sh", "-c", "dockerd"}, ""},
		"a shell, not allowed":         {flags, []string{"sh", "-c", "dockerd"}, nil, "only flags of dockerd"},
		"an entrypoint, not allowed":   {flags, nil, []string{"sh", "-c", "dockerd"}, "only flags of dockerd"},
		"another data root":            {either, []string{"--data-root=/x"}, nil, "may not set --data-root"},
		"another data root, two words": {either, []string{"--data-root", "/x"}, nil, "may not set --data-root"},
		"another data root, short":     {either, []string{"-g/x"}, nil, "may not set -g"},
		"another exec root":            {flags, []string{"dockerd", "--exec-root=/x"}, nil, "may not set --exec-root"},
		"a plugin":                     {either, []string{"--authorization-plugin=x"}, nil, "may not set --authorization-plugin"},
		"a runtime":                    {either, []string{"--add-runtime", "x=/bin/sh"}, nil, "may not set --add-runtime"},
		"another listener":             {either, []string{"--host=tcp://0.0.0.0:4243"}, nil, `listen at "tcp://0.0.0.0:4243"`},
		"another listener, short":      {either, []string{"-Htcp://0.0.0.0:4243"}, nil, `listen at "tcp://0.0.0.0:4243"`},
		"another listener, two words":  {either, []string{"-H", "fd://"}, nil, `listen at "fd://"`},
		"a listener that is missing":   {either, []string{"--host"}, nil, `listen at ""`},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkCommand(c.settings, Service{Image: Image{Name: "docker:dind", Entrypoint: c.entrypoint}, Command: c.command})
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) || !fault.IsOfJob(err) || fault.HintOf(err) == "" {
				t.Errorf("got %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}
