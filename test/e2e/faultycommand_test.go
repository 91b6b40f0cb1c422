package e2e

import (
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// faultyService is a job whose service has the command.
func faultyService(command ...string) local.Payload {
	p := world.Job(`echo never`)
	p.Services[0].Command = command
	return p
}

// A daemon may take an hour to get ready here. The hook must find the fault without waiting for
// the daemon.
func TestAWrongCommandOfTheServiceIsTheJobsFaultAndToldAtOnce(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	patient := changedSettings(t, "[sidecar]\n", "ready_timeout = \"1h\"\n")
	for name, c := range map[string]struct {
		command []string
		says    []string
	}{
		"a flag that dockerd lacks": {[]string{"--no-such-flag"}, []string{"--no-such-flag", "hint: "}},
		"a value that a flag lacks": {[]string{"--mtu=wide"}, []string{"--mtu", "hint: "}},
		"a command without where to listen": {
			[]string{"dockerd"}, []string{"begins with dockerd and names no --host: the daemon listens at /", "hint: "},
		},
		"a command with another port": {
			[]string{"dockerd", "--host=tcp://0.0.0.0:2376", "--tls=false"},
			[]string{"lets the docker daemon listen at ", ":2376, and not at port 2375", "hint: "},
		},
		"a flag and its value in one entry": {[]string{"--insecure-registry x:5000"}, []string{`in one entry: "--insecure-registry x:5000"`, "hint: "}},
		"a value that dockerd finds wrong":  {[]string{"--bip=1.2.3"}, []string{"refuses what the service's command says: --bip:\n  failed to start daemon: ", "hint: "}},
		"a driver that there is not":        {[]string{"--storage-driver=nope"}, []string{"--storage-driver", "driver not supported", "hint: "}},
		"a shell that waits for ever":       {[]string{"sh", "-c", "tail -f /dev/null; true"}, []string{"runs no dockerd, but tail", "hint: "}},
		"a version":                         {[]string{"--version"}, []string{"has --version, by which dockerd starts no docker daemon", "hint: "}},
		"a program that is no daemon":       {[]string{"sleep", "1000"}, []string{"runs no dockerd, but sleep", "hint: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runJobUnchecked(t, faultyService(c.command...), patient).quietCleanup().says(append([]string{"error: "}, c.says...)...).saysNot("\nnever")
			if r.State != local.Failed || r.Attempts != 1 {
				t.Errorf("the job ended as %s after %d attempts, want failed after one", r.State, r.Attempts)
			}
		})
	}
}

// A wrong setting of the admin is not the pipeline's fault.
func TestAWrongArgumentOfTheSettingsIsTheSystemsFault(t *testing.T) {
	p := world.Job(`echo never`)
	r := runJob(t, p, changedSettings(t, "[sidecar]\n", "arguments = [\"--no-such-flag\"]\n")).quietCleanup().
		says("error: ", "--no-such-flag", "hint: ").saysNot("\nnever")
	if r.State != local.SystemFailure {
		t.Errorf("the job ended as %s, want a system failure", r.State)
	}
}

func TestAWrongCommandIsToldUnderEachPrivilege(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	eachPrivilege(t, func(t *testing.T, with func(*local.Runner), dind string) {
		t.Parallel()
		for flag, says := range map[string]string{"--no-such-flag": "a flag that dockerd does not take: --no-such-flag", "sleep": "runs no dockerd, but sleep"} {
			p := faultyService(flag)
			if flag == "sleep" {
				p = faultyService("sleep", "1000")
			}
			p.Services[0].Name = dind
			if r := runJobUnchecked(t, p, with).quietCleanup().says("error: ", says).saysNot("\nnever"); r.State != local.Failed {
				t.Errorf("the job ended as %s, want failed", r.State)
			}
		}
	})
}
