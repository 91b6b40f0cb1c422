package e2e

import (
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// notReadyYet is the line of the job log when a script begins before its daemon answers.
const notReadyYet = "docker is not ready yet: commands to it wait"

// A script makes the file goes to let its daemon's boot go on. The boot makes the file late
// when it has waited in vain.
const goes, late = "/builds/goes", "/builds/late"

// besideItsBoot is a job whose daemon boots on only once its script has begun. The boot stops
// at its first rule of iptables, after the daemon has taken its port. It then runs the shell
// line then, with iptables' arguments.
func besideItsBoot(t *testing.T, then string, script ...string) local.Payload {
	t.Helper()
	const iptables = `#!/bin/sh
case " $* " in
*" -N "*)
	i=0
	while [ ! -e %[1]s ] && [ $i -lt 40 ]; do sleep 0.05; i=$((i+1)); done
	[ -e %[1]s ] || touch %[2]s
	%[3]s
	;;
esac
exec /usr/sbin/iptables "$@"
`
	p := world.Job(script...)
	image := rig.DeriveWith(t, world.Engine, rig.ImageDind, []rig.File{{
		Path: "/usr/local/sbin/iptables", Mode: 0o755, Content: fmt.Sprintf(iptables, goes, late, then),
	}})
	// The name is like the official image's, because own dind images have such names.
	p.Services[0].Name = tagged(t, image, "gitlab-dind-executor.test/docker:slow-dind")
	return p
}

// begunEarly runs a job, up to four times, until its script begins before its daemon answers.
// On a slow host the daemon may be first.
func begunEarly(t *testing.T, p local.Payload) ran {
	t.Helper()
	var r ran
	for range 4 {
		if r = runJob(t, p); strings.Contains(r.log, notReadyYet) {
			return r
		}
	}
	t.Fatal("no script has begun before its daemon answered")
	return r
}

func TestTheScriptBeginsBeforeTheDaemonAnswers(t *testing.T) {
	p := besideItsBoot(t, "", `echo begun && touch `+goes, `docker version -f 'daemon {{.Server.Version}}' && [ ! -e `+late+` ]`)
	begunEarly(t, p).succeeded().quietCleanup().says(notReadyYet, "begun", "daemon ")
}

func TestADaemonThatDiesInItsBootEndsTheScript(t *testing.T) {
	p := besideItsBoot(t, "exit 1", `echo begun && touch `+goes, `docker version || sleep 300`, `echo never`)
	r := begunEarly(t, p).quietCleanup().says(notReadyYet, "begun", "error: ", "exited with code 1 before it answered", "hint: ").saysNot("never\n")
	if r.State != local.SystemFailure {
		t.Errorf("the job ended as %s, want a system failure", r.State)
	}
}

func TestAScriptThatNeedsNoDaemonEndsBesideItsBoot(t *testing.T) {
	p := besideItsBoot(t, "", `echo begun`)
	begunEarly(t, p).succeeded().quietCleanup().says(notReadyYet, "begun")
	if !long() {
		return
	}
	p = besideItsBoot(t, "", `echo begun`, `exit 7`)
	begunEarly(t, p).failedWith(7).quietCleanup().says(notReadyYet, "begun")
}
