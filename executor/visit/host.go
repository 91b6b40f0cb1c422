package visit

import (
	"context"
	"os"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/runnerconfig"
)

// Host is the host under doctor's eyes. Its checks fill in fields for later checks.
type Host struct {
	// SettingsFile is the file of --settings, RunnerConfig the Runner's config.toml; "" for
	// the usual places.
	SettingsFile, RunnerConfig string
	// Version is the Runner's, "" if unknown.
	Version string
	Env     payload.Environment
	// Plan plans the sandbox of a job that declares nothing.
	Plan func(ctx context.Context, d *driver.Driver, s config.Settings, version string) (*plan.Plan, error)
	// ImageBound bounds a question about an image: a registry behind a firewall never
	// answers.
	ImageBound time.Duration
	// Say gets lines about what takes long, such as the pull of an image.
	Say func(string)

	settings config.Settings
	// partial is the readable content of the settings' file, with the keys at fault. unread
	// means: nothing of the file could be read.
	partial config.Partial
	unread  bool
	// file is the Runner's config.toml; without a path if no such file exists.
	file   runnerconfig.File
	d      *driver.Driver
	engine driver.Engine
	place  driver.Place
	facts  plan.Facts
	creds  []plan.Credential
	plan   *plan.Plan
	trial  driver.Trial
}

// Close closes everything that the checks have opened.
func (v *Host) Close() {
	if v.d != nil {
		v.d.Close()
	}
}

// Checks returns all checks, each behind its needs.
func (v *Host) Checks() []doctor.Check {
	check := func(name string, needs []string, run func(context.Context) []doctor.Finding) doctor.Check {
		return doctor.Check{Name: name, Needs: needs, Run: run}
	}
	one := func(run func(context.Context) doctor.Finding) func(context.Context) []doctor.Finding {
		return func(ctx context.Context) []doctor.Finding { return []doctor.Finding{run(ctx)} }
	}
	pure := func(judge func() doctor.Finding) func(context.Context) []doctor.Finding {
		return func(context.Context) []doctor.Finding { return []doctor.Finding{judge()} }
	}
	engine := []string{"engine"}
	list := []doctor.Check{
		check("settings", nil, func(context.Context) []doctor.Finding { return v.checkSettings() }),
		check("runner", nil, one(v.checkRunner)),
		check("protection", nil, pure(func() doctor.Finding { return doctor.Protection(v.settings, v.Version) })),
		check("hooks", nil, v.checkHooks),
		check("registries", nil, v.checkRegistries),
		check("engine", nil, one(v.checkEngine)),
		check("place", engine, one(v.checkPlace)),
		check("storage driver", engine, pure(func() doctor.Finding { return doctor.Storage(v.engine) })),
		check("cgroups", engine, pure(func() doctor.Finding { return doctor.Cgroups(v.engine, v.settings) })),
		check("clock", engine, pure(func() doctor.Finding { return doctor.Clock(v.engine) })),
		check("concurrent", []string{"hooks", "engine"}, func(context.Context) []doctor.Finding {
			if v.file.Path == "" {
				return nil // hooks has reported the fault
			}
			return []doctor.Finding{doctor.Concurrency(v.file.Concurrent, v.engine.CPUs, v.engine.Memory)}
		}),
		check("limits", []string{"hooks", "engine"}, func(context.Context) []doctor.Finding {
			if v.file.Path == "" || !v.d.Local() {
				return nil // jobs are not counted, or run on another host
			}
			return doctor.Limits(host.Limits("/"), v.file.Concurrent+v.settings.Pool.Size, v.settings)
		}),
		check("address pools", engine, func(context.Context) []doctor.Finding { return doctor.Pools(v.settings.Network, v.facts.Used) }),
		check("room", engine, func(context.Context) []doctor.Finding {
			return doctor.Room(v.settings, v.d.Room(v.engine.DataRoot), v.engine.DataRoot)
		}),
		check("containers", engine, func(context.Context) []doctor.Finding {
			return doctor.Containers(v.settings, v.engine, func(path string) bool {
				_, err := os.Lstat(path)
				return err == nil || v.place.Contained // the container's paths are not the engine's
			})
		}),
		check("leftovers", engine, one(v.checkLeftovers)),
		check("images", []string{"engine", "runner"}, v.checkImages),
		check("mirror", engine, v.checkMirror),
		check("privilege", []string{"engine", "runner", "images", "address pools"}, one(v.checkPrivilege)),
		check("gvisor", []string{"privilege"}, v.checkGVisor),
		check("ipv6", []string{"privilege"}, v.checkIPv6),
		check("sandbox", []string{"privilege", "ipv6"}, one(v.checkSandbox)),
		check("helper", []string{"sandbox"}, pure(func() doctor.Finding {
			return doctor.Helper(v.plan.Helper.Image.Name, v.trial.Tool, v.trial.HasTool, v.Version)
		})),
		check("firewall", []string{"sandbox"}, pure(func() doctor.Finding { return doctor.Firewall(v.trial.Reach, v.trial.Reach6, v.settings.Network.IPv6) })),
	}
	for i := range list {
		list[i].Lacks = func() string { return v.lacks(list[i].Name) }
		switch list[i].Name {
		case "images", "privilege", "gvisor", "sandbox": // these wait for registries
			list[i].Bound = 20 * time.Minute
		}
	}
	return list
}

func (v *Host) checkEngine(ctx context.Context) doctor.Finding {
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

func (v *Host) checkPlace(ctx context.Context) doctor.Finding {
	var err error
	if v.place, err = v.d.Place(ctx, v.engine.DataRoot); err != nil {
		return doctor.Of("place", doctor.Error, err)
	}
	return doctor.Place(v.place)
}

func (v *Host) checkLeftovers(ctx context.Context) doctor.Finding {
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

// checkPrivilege tries the rights of the settings' sidecars, and those of other modes that
// need no installation.
func (v *Host) checkPrivilege(ctx context.Context) doctor.Finding {
	s := v.settings
	s.Cache.Layers = config.LayersOff // layers are a project's
	p, err := v.planOf(ctx, s)
	if err != nil {
		return doctor.Of("privilege", doctor.Error, err)
	}
	v.plan = p
	if err := v.d.EnsureImage(ctx, p, p.Sidecar.Image, v.Say); err != nil {
		return doctor.Of("images", doctor.Error, access.ForAdmin(err))
	}
	var grants []doctor.Grant
	for _, mode := range config.Privileges {
		if mode == config.PrivilegeRuntime || mode == config.PrivilegeGVisor {
			continue // the engine's runtimes are known already
		}
		grants = append(grants, doctor.Grant{Privilege: mode, Err: v.d.Grants(ctx, p.WithPrivilege(mode))})
	}
	return doctor.Privileges(s, v.engine, grants)
}

// planOf plans a sandbox for a trial. Its images are fetched with the credentials of the
// Runner's user.
func (v *Host) planOf(ctx context.Context, s config.Settings) (*plan.Plan, error) {
	s.Mirror.Enabled = false // a trial must make no mirror
	p, err := v.Plan(ctx, v.d, s, v.Version)
	if err != nil {
		return nil, err
	}
	v.login(&p.Sidecar.Image)
	v.login(&p.Helper.Image)
	return p, nil
}

// login gives an image the Runner user's credentials.
func (v *Host) login(ref *plan.ImageRef) {
	if r, err := plan.PrepullRef(ref.Name, v.creds); err == nil {
		ref.Auth = r.Auth
	}
}

// checkIPv6 tests whether the engine keeps sandboxes apart over IPv6, if the settings want
// IPv6.
func (v *Host) checkIPv6(ctx context.Context) []doctor.Finding {
	if !v.settings.Network.IPv6 {
		return nil
	}
	if err := v.d.TryIPv6(ctx, v.plan); err != nil {
		return []doctor.Finding{doctor.Of("ipv6", doctor.Error, err)}
	}
	return []doctor.Finding{doctor.Fine("ipv6", "the engine keeps sandboxes apart over IPv6")}
}

// checkGVisor examines gVisor's runtime where the settings want gVisor. If only a policy
// wants it, a sandbox of the policy is tried. The usual sandbox is tried anyway.
func (v *Host) checkGVisor(ctx context.Context) []doctor.Finding {
	wanted := doctor.GVisors(v.settings)
	var list []doctor.Finding
	for _, s := range wanted {
		f := doctor.GVisor(s, v.engine)
		if f.Level == doctor.OK && s.Sidecar.Privilege != v.settings.Sidecar.Privilege {
			f = v.tryGVisor(ctx, s, f)
		}
		list = append(list, f)
	}
	return list
}

// tryGVisor makes a sandbox under gVisor.
func (v *Host) tryGVisor(ctx context.Context, s config.Settings, fine doctor.Finding) doctor.Finding {
	p, err := v.planOf(ctx, s)
	if err != nil {
		return doctor.Of("gvisor", doctor.Error, err)
	}
	trial, err := v.d.Try(ctx, p)
	if err != nil {
		return doctor.Of("gvisor", doctor.Error, err)
	}
	fine.Text += ", " + doctor.Sandbox(trial, s.Sidecar.Privilege).Text
	return fine
}

// checkSandbox makes a sandbox and examines the inside.
func (v *Host) checkSandbox(ctx context.Context) doctor.Finding {
	var err error
	if v.trial, err = v.d.Try(ctx, v.plan); err != nil {
		return doctor.Of("sandbox", doctor.Error, err)
	}
	return doctor.Sandbox(v.trial, v.settings.Sidecar.Privilege)
}
