package e2e

import (
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// marked fills a job with secrets that differ from all other text. They are not masked
// variables, so the Runner hides none of them.
func marked(p local.Payload) (local.Payload, []string) {
	var all []string
	secret := func() string {
		all = append(all, "marked-"+rand.Text())
		return all[len(all)-1]
	}
	p.Variables = append(p.Variables,
		local.Variable{Key: "PRIVATE", Value: secret()},
		local.Variable{Key: "PRIVATE_FILE", Value: secret(), File: true},
		local.Variable{Key: "DOCKER_AUTH_CONFIG", Value: fmt.Sprintf(`{"auths":{"registry.example.com":{"username":"u","password":%q}}}`, secret())},
		local.Variable{Key: "BROKEN", Value: "$" + secret()},
	)
	p.Services[0].Variables = append(p.Services[0].Variables, local.Variable{Key: "SERVICE_SECRET", Value: secret()})
	p.Credentials = append(p.Credentials,
		local.Credentials{Type: "registry", URL: "registry.example.com", Username: "u", Password: secret()})
	return p, all
}

func TestNoSecretIsPrintedLabelledOrKept(t *testing.T) {
	for name, change := range map[string]func(*local.Payload){
		"a job that succeeds": func(p *local.Payload) {},
		"a script that fails": func(p *local.Payload) {
			p.Steps[0].Script = []string{`docker pull registry.example.com/none/none; exit 9`}
		},
		"a daemon that cannot start": func(p *local.Payload) {
			p.Services[0].Command = []string{"--log-level=" + "nonsense"}
		},
		"an image that is not there":  func(p *local.Payload) { p.Image.Name = world.Registry.LocalHost + "/none/none:1" },
		"an image that is no name":    func(p *local.Payload) { p.Image.Name = "$NOTHING/x" },
		"a daemon that is refused":    func(p *local.Payload) { p.Services[0].Name = "registry.example.com/x/docker:dind" },
		"an ENTRYPOINT that is wrong": func(p *local.Payload) { p.Image.Entrypoint = []string{"/nowhere"} },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Unchanged(t, world.Engine)
			state := t.TempDir()
			p, secrets := marked(world.Job(`docker version >/dev/null && echo running`))
			change(&p)
			var labels []string
			job, finish := startJob(t.Context(), t, p, withState(state), func(r *local.Runner) {
				r.OnHook = func(h local.Hook) {
					for name, l := range labelsOf(t, "") { // the objects of earlier hooks
						labels = append(labels, name)
						labels = append(labels, slices.Collect(maps.Values(l))...)
					}
				}
			})
			r := finish(job.Wait())

			places := map[string]string{
				"the job log": r.log, "the Runner's log": r.runnerLog, "labels and names": strings.Join(labels, "\n"),
			}
			kept, err := filepath.Glob(filepath.Join(state, "*", "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range kept {
				b, err := os.ReadFile(k)
				if err != nil {
					t.Fatal(err)
				}
				places["the bundle"] += string(b)
			}
			for _, form := range []string{"--html=false", "--html"} {
				explain := exec.CommandContext(t.Context(), world.Binary, "explain", strconv.FormatInt(p.ID, 10), form)
				explain.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
				out, _ := explain.CombinedOutput() // there may be nothing to explain
				places["explain "+form] = string(out)
			}
			for place, text := range places {
				for _, s := range secrets {
					if strings.Contains(text, s) {
						t.Errorf("%s shows a secret:\n%s", place, text)
					}
				}
			}
		})
	}
}
