package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/fault"
)

// level is how a check ended.
type level string

// The levels, the worst last.
const (
	fine   level = "ok"
	doubt  level = "warning"
	failed level = "error"
)

// finding is one line of doctor.
type finding struct {
	Check string `json:"check"`
	Level level  `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// ailing is the end of a doctor that has found something.
type ailing struct{ worst level }

func (a ailing) Error() string { return "not all is well" }

// Exit codes of doctor beside 0.
const (
	codeDoubt  = 1
	codeFailed = 2
)

// doctor looks a host over.
type doctor struct {
	c        *call
	version  string
	settings config.Settings
	d        *driver.Driver
	found    []finding
}

func (c *call) doctorCommand() *cobra.Command {
	var asJSON bool
	var version string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this host: one line a check, each fault with its hint",
		Long: "Checks the settings, the engine, what is free and what is left over, whether a sandbox of\n" +
			"the kind that jobs get boots and builds, and whether jobs reach this host's own services.\n" +
			"It leaves nothing behind but the images that it had to fetch. The exit code is 0 when all is well, 1 with warnings,\n" +
			"2 with errors.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc := &doctor{c: c, version: version}
			doc.examine(cmd.Context())
			if doc.d != nil {
				defer doc.d.Close()
			}
			if err := doc.print(asJSON); err != nil {
				return err
			}
			return doc.verdict()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&version, "runner-version", "", "the `VERSION` of GitLab Runner, for helper.image (default: that of the gitlab-runner on this host)")
	return cmd
}

// examine makes all checks. Those that need what another has not found are left
// out.
func (doc *doctor) examine(ctx context.Context) {
	if !doc.checkSettings() || !doc.checkEngine(ctx) {
		return
	}
	doc.checkRoom(ctx)
	doc.checkLeftovers(ctx)
	doc.checkSandbox(ctx)
}

func (doc *doctor) say(check string, l level, text, hint string) {
	doc.found = append(doc.found, finding{check, l, text, hint})
}

// fail makes a finding of an error.
func (doc *doctor) fail(check string, err error) {
	text, _, _ := strings.Cut(err.Error(), "\nhint: ")
	doc.say(check, failed, strings.ReplaceAll(strings.TrimSpace(text), "\n", "; "), fault.HintOf(err))
}

func (doc *doctor) checkSettings() bool {
	s, err := config.Load(doc.c.settingsFile)
	if err != nil {
		doc.fail("settings", err)
		return false
	}
	doc.settings = s
	doc.say("settings", fine, "no fault in them", "")
	return true
}

func (doc *doctor) checkEngine(ctx context.Context) bool {
	d, err := driver.Open(doc.settings.Engine.Host)
	if err != nil {
		doc.fail("engine", err)
		return false
	}
	doc.d = d
	e, err := d.Engine(ctx)
	if err != nil {
		doc.fail("engine", err)
		return false
	}
	doc.say("engine", fine, fmt.Sprintf("docker %s, storage driver %s, cgroup v%s", e.Version, e.StorageDriver, e.CgroupVersion), "")
	if e.StorageDriver == "vfs" {
		doc.say("storage driver", doubt, "vfs copies every layer: slow, and it fills the disk", "use a filesystem that overlay2 works on for the engine's data root")
	}
	return true
}

func (doc *doctor) checkRoom(ctx context.Context) {
	facts, err := doc.d.Facts(ctx)
	if err == nil {
		err = doc.d.HasRoom(ctx, doc.settings.Admission, facts.DataRoot)
	}
	if err != nil {
		doc.fail("room for a job", err)
		return
	}
	doc.say("room for a job", fine, "disk and memory are free", "")
}

func (doc *doctor) checkLeftovers(ctx context.Context) {
	verdicts, err := doc.d.Sweep(ctx, time.Now(), PrepareBound(doc.settings), true)
	if err != nil {
		doc.fail("leftovers", err)
		return
	}
	n := map[driver.Fate]int{}
	for _, v := range verdicts {
		n[v.Fate]++
	}
	switch {
	case n[driver.Unclear] > 0:
		doc.say("leftovers", doubt, fmt.Sprintf("%d sandboxes that cannot be judged", n[driver.Unclear]), "gitlab-dind-executor gc --verbose names them; remove them by hand when no job has them")
	case n[driver.Swept] > 0:
		doc.say("leftovers", doubt, fmt.Sprintf("%d sandboxes that no living job owns", n[driver.Swept]), "gitlab-dind-executor gc removes them, and so does the next job")
	default:
		doc.say("leftovers", fine, "none", "")
	}
}

// checkSandbox makes a sandbox and looks at it from within.
func (doc *doctor) checkSandbox(ctx context.Context) {
	s := doc.settings
	s.Cache.Layers = config.LayersOff // those are a project's
	p, err := doc.c.defaultPlan(ctx, doc.d, s, doc.version)
	if err != nil {
		doc.fail("sandbox", err)
		return
	}
	t, err := doc.d.Try(ctx, p)
	if err != nil {
		doc.fail("sandbox", err)
		return
	}
	doc.say("sandbox", fine, fmt.Sprintf("%s (%s) up in %.1f s, a build in %.1f s", strings.TrimSpace("docker "+t.Docker), s.Sidecar.Privilege, t.Boot.Seconds(), t.Build.Seconds()), "")
	switch t.Reach {
	case driver.ReachOpen:
		doc.say("firewall", doubt, "jobs reach this host's own services", "docs/security.md has rules for the engine's firewall that keep them away")
	case driver.ReachClosed:
		doc.say("firewall", fine, "jobs do not reach this host's own services", "")
	default:
		doc.say("firewall", doubt, "whether jobs reach this host's own services cannot be told from here", "run this on the host of the engine, not in a container, with a helper image that has bash or nc")
	}
}

func (doc *doctor) print(asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(doc.c.stdout)
		e.SetIndent("", "  ")
		return e.Encode(doc.found)
	}
	for _, f := range doc.found {
		fmt.Fprintf(doc.c.stdout, "%-8s %s: %s\n", f.Level, f.Check, f.Text)
		if f.Hint != "" {
			fmt.Fprintf(doc.c.stdout, "%-8s hint: %s\n", "", f.Hint)
		}
	}
	return nil
}

// verdict is the worst finding.
func (doc *doctor) verdict() error {
	worst := fine
	for _, f := range doc.found {
		if f.Level == failed || f.Level == doubt && worst == fine {
			worst = f.Level
		}
	}
	if worst == fine {
		return nil
	}
	return ailing{worst}
}

// codeOf is doctor's exit code for an error, or 0 if it is none of doctor's.
func codeOf(err error) int {
	var a ailing
	switch {
	case !errors.As(err, &a):
		return 0
	case a.worst == failed:
		return codeFailed
	}
	return codeDoubt
}
