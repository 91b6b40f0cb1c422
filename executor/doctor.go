package executor

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/runnerconfig"
)

// ailing is the end of a doctor that has found something.
type ailing struct{ worst doctor.Level }

func (a ailing) Error() string { return "not all is well" }

// Exit codes of doctor beside 0.
const (
	codeDoubt  = 1
	codeFailed = 2
)

// visit is one look of doctor at a host. Its checks fill in what later ones
// need.
type visit struct {
	c            *call
	runnerConfig string
	// version is the Runner's, "" if it is not known.
	version string

	settings config.Settings
	// file is the Runner's config.toml; without a path if there is none.
	file   runnerconfig.File
	d      *driver.Driver
	engine driver.Engine
	facts  plan.Facts
	creds  []plan.Credential
	plan   *plan.Plan
	trial  driver.Trial
}

func (c *call) doctorCommand() *cobra.Command {
	var asJSON bool
	v := &visit{c: c}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this host: one line a check, each fault with its hint",
		Long: "Checks the settings, the Runner's config.toml, the engine and what it may do, address\n" +
			"pools, what is free and what is left over, images, registries and the mirror, whether a\n" +
			"sandbox of the kind that jobs get boots and builds, and whether jobs reach this host's\n" +
			"own services. Run it as the user that the Runner runs as, or as root.\n\n" +
			"It leaves nothing behind but the images that it had to fetch. What cannot be checked\n" +
			"because something else is not well is said to be skipped. The exit code is 0 when all is\n" +
			"well, 1 with warnings, 2 with errors.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer func() {
				if v.d != nil {
					v.d.Close()
				}
			}()
			// Whoever breaks it off leaves no sandbox behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			found := doctor.Examine(ctx, v.checks(), func(f doctor.Finding) {
				if !asJSON {
					f.Line(c.stdout)
				}
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if asJSON {
				if err := doctor.JSON(c.stdout, found); err != nil {
					return err
				}
			}
			if worst := doctor.Worst(found); worst != doctor.OK {
				return ailing{worst}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&v.version, "runner-version", "", "the `VERSION` of GitLab Runner, for helper.image (default: that of the gitlab-runner on this host)")
	cmd.Flags().StringVar(&v.runnerConfig, "runner-config", "", "the Runner's config.toml `FILE` (default "+runnerconfig.SystemPath+", then ~/.gitlab-runner/config.toml)")
	return cmd
}

// checks are all of them, each behind those that it needs.
func (v *visit) checks() []doctor.Check {
	check := func(name string, needs []string, run func(context.Context) []doctor.Finding) doctor.Check {
		return doctor.Check{Name: name, Needs: needs, Run: run}
	}
	one := func(run func(context.Context) doctor.Finding) func(context.Context) []doctor.Finding {
		return func(ctx context.Context) []doctor.Finding { return []doctor.Finding{run(ctx)} }
	}
	pure := func(judge func() doctor.Finding) func(context.Context) []doctor.Finding {
		return func(context.Context) []doctor.Finding { return []doctor.Finding{judge()} }
	}
	settings, engine := []string{"settings"}, []string{"engine"}
	list := []doctor.Check{
		check("settings", nil, pure(v.checkSettings)),
		check("protection", settings, pure(func() doctor.Finding { return doctor.Protection(v.settings) })),
		check("runner", settings, one(v.checkRunner)),
		check("hooks", settings, v.checkHooks),
		check("registries", settings, v.checkRegistries),
		check("engine", settings, one(v.checkEngine)),
		check("storage driver", engine, pure(func() doctor.Finding { return doctor.Storage(v.engine) })),
		check("cgroups", engine, pure(func() doctor.Finding { return doctor.Cgroups(v.engine, v.settings) })),
		check("clock", engine, pure(func() doctor.Finding { return doctor.Clock(v.engine) })),
		check("concurrent", []string{"hooks", "engine"}, func(context.Context) []doctor.Finding {
			if v.file.Path == "" {
				return nil // which hooks has told
			}
			return []doctor.Finding{doctor.Concurrency(v.file.Concurrent, v.engine.CPUs, v.engine.Memory)}
		}),
		check("address pools", engine, func(context.Context) []doctor.Finding { return doctor.Pools(v.settings.Network, v.facts.Used) }),
		check("room", engine, func(context.Context) []doctor.Finding {
			return doctor.Room(v.settings.Admission, v.d.Room(v.engine.DataRoot), v.engine.DataRoot)
		}),
		check("leftovers", engine, one(v.checkLeftovers)),
		check("images", []string{"engine", "runner"}, v.checkImages),
		check("mirror", engine, one(v.checkMirror)),
		check("privilege", []string{"engine", "runner", "images", "address pools"}, one(v.checkPrivilege)),
		check("ipv6", []string{"privilege"}, v.checkIPv6),
		check("sandbox", []string{"privilege", "ipv6"}, one(v.checkSandbox)),
		check("helper", []string{"sandbox"}, pure(func() doctor.Finding {
			return doctor.Helper(v.plan.Helper.Image.Name, v.trial.Tool, v.trial.HasTool, v.version)
		})),
		check("firewall", []string{"sandbox"}, pure(func() doctor.Finding { return doctor.Firewall(v.trial.Reach, v.trial.Reach6, v.settings.Network.IPv6) })),
	}
	for i := range list {
		switch list[i].Name {
		case "images", "privilege", "sandbox": // which wait for registries
			list[i].Bound = 20 * time.Minute
		}
	}
	return list
}

func (v *visit) checkSettings() doctor.Finding {
	s, warnings, err := config.LoadWarned(v.c.settingsFile)
	if err != nil {
		return doctor.Of("settings", doctor.Error, err)
	}
	v.settings = s
	if len(warnings) > 0 {
		return doctor.Doubt("settings", "change them in the file: names of before still serve, for now", "%s", strings.Join(warnings, "; "))
	}
	if v.c.settingsFile == "" {
		if _, err := os.Stat(config.DefaultPath); err != nil {
			return doctor.Fine("settings", "the defaults: there is no %s", config.DefaultPath)
		}
	}
	return doctor.Fine("settings", "no fault in them")
}

func (v *visit) checkEngine(ctx context.Context) doctor.Finding {
	d, err := driver.Open(v.settings.Engine.Host)
	if err != nil {
		return doctor.Of("engine", doctor.Error, err)
	}
	v.d = d
	if v.engine, err = d.Engine(ctx); err != nil {
		return doctor.Of("engine", doctor.Error, err)
	}
	if v.facts, err = d.Facts(ctx); err != nil {
		return doctor.Of("engine", doctor.Error, err)
	}
	return doctor.Engine(v.engine)
}

func (v *visit) checkLeftovers(ctx context.Context) doctor.Finding {
	verdicts, err := v.d.Sweep(ctx, time.Now(), v.settings.PrepareBound(), true)
	if err != nil {
		return doctor.Of("leftovers", doctor.Error, err)
	}
	resisting, err := v.d.Stuck(ctx)
	if err != nil {
		return doctor.Of("leftovers", doctor.Error, err)
	}
	return doctor.Leftovers(verdicts, resisting)
}

// checkMirror looks after the mirror that is there, and makes none. Jobs do
// without one that is dead, so that is no error.
func (v *visit) checkMirror(ctx context.Context) doctor.Finding {
	if !v.settings.Mirror.Enabled {
		return doctor.Fine("mirror", "not enabled")
	}
	m, err := access.Mirror(v.settings)
	if err != nil {
		return doctor.Of("mirror", doctor.Warning, err)
	}
	access, err := v.d.MirrorHealth(ctx, m)
	switch {
	case errors.Is(err, driver.ErrNoMirror):
		return doctor.Fine("mirror", "of %s is not there yet: the next job makes it", m.Remote)
	case err != nil:
		f := doctor.Of("mirror", doctor.Warning, err)
		f.Text = "jobs do without " + m.Name + " of " + m.Remote + ": " + f.Text
		return f
	}
	return doctor.Fine("mirror", "%s of %s answers at %s", m.Name, m.Remote, access.URL)
}

// checkPrivilege tries the rights that sidecars may have, the settings' own and
// those of the other modes that need nothing installed.
func (v *visit) checkPrivilege(ctx context.Context) doctor.Finding {
	s := v.settings
	s.Cache.Layers = config.LayersOff // those are a project's
	s.Mirror.Enabled = false          // nobody is to make one
	p, err := v.c.defaultPlan(ctx, v.d, s, v.version)
	if err != nil {
		return doctor.Of("privilege", doctor.Error, err)
	}
	v.login(&p.Sidecar.Image)
	v.login(&p.Helper.Image)
	v.plan = p
	if err := v.d.EnsureImage(ctx, p, p.Sidecar.Image); err != nil {
		return doctor.Of("images", doctor.Error, access.ForAdmin(err))
	}
	var grants []doctor.Grant
	for _, mode := range config.Privileges {
		if mode == config.PrivilegeRuntime {
			continue // whether the engine has it is known; there are as many as runtimes
		}
		grants = append(grants, doctor.Grant{Privilege: mode, Err: v.d.Grants(ctx, p.WithPrivilege(mode))})
	}
	return doctor.Privileges(s, v.engine, grants)
}

// login gives an image the credentials that the Runner's user has for it.
func (v *visit) login(ref *plan.ImageRef) {
	if r, err := plan.PrepullRef(ref.Name, v.creds); err == nil {
		ref.Auth = r.Auth
	}
}

// checkIPv6 finds out whether the engine keeps sandboxes apart over IPv6, where they
// are to have it.
func (v *visit) checkIPv6(ctx context.Context) []doctor.Finding {
	if !v.settings.Network.IPv6 {
		return nil
	}
	if err := v.d.TryIPv6(ctx, v.plan); err != nil {
		return []doctor.Finding{doctor.Of("ipv6", doctor.Error, err)}
	}
	return []doctor.Finding{doctor.Fine("ipv6", "the engine keeps sandboxes apart over IPv6")}
}

// checkSandbox makes a sandbox and looks at it from within.
func (v *visit) checkSandbox(ctx context.Context) doctor.Finding {
	var err error
	if v.trial, err = v.d.Try(ctx, v.plan); err != nil {
		return doctor.Of("sandbox", doctor.Error, err)
	}
	return doctor.Sandbox(v.trial, v.settings.Sidecar.Privilege)
}
