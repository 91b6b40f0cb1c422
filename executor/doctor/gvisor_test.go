package doctor

import (
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
)

// settingsOf reads settings.
func settingsOf(t *testing.T, text string) config.Settings {
	t.Helper()
	s, err := config.Parse("dind.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJudgingGVisor(t *testing.T) {
	const on = "[sidecar]\nprivilege = \"gvisor\"\n"
	has := func(arguments ...string) map[string][]string { return map[string][]string{"runsc": arguments} }
	for name, c := range map[string]struct {
		settings   string
		arguments  map[string][]string
		level      Level
		text, hint string
	}{
		"with what it needs":     {on, has("--net-raw", "--allow-packet-socket-write"), OK, `by the engine's runtime "runsc"; each sandbox keeps up to 4 GB in memory, and no layers`, ""},
		"in the long form":       {on, has("--net-raw=true", "--allow-packet-socket-write=true", "--debug"), OK, "runsc", ""},
		"in a file":              {on + "[gvisor]\nstorage = \"file\"\nsize = \"9g\"\n", has("--net-raw", "--allow-packet-socket-write"), OK, "up to 9 GB in a file", ""},
		"without any":            {on, has(), Error, `"runsc" lacks --net-raw and --allow-packet-socket-write`, "runtimeArgs"},
		"without one":            {on, has("--net-raw"), Error, `"runsc" lacks --allow-packet-socket-write`, "docs/gvisor.md"},
		"with one that is off":   {on, has("--net-raw=false", "--allow-packet-socket-write"), Error, `"runsc" lacks --net-raw`, "reload"},
		"a shim, which is quiet": {on, map[string][]string{}, OK, "runsc", ""},
		"under another name":     {on + "runtime = \"gv\"\n", map[string][]string{"gv": nil, "runsc": {"--net-raw", "--allow-packet-socket-write"}}, Error, `"gv" lacks`, "runtimeArgs"},
	} {
		t.Run(name, func(t *testing.T) {
			sees(t, GVisor(settingsOf(t, c.settings), driver.Engine{RuntimeArguments: c.arguments}), c.level, c.text, c.hint)
		})
	}
}

func TestWhichSettingsGVisorIsFor(t *testing.T) {
	const one, other = "\n[[policy]]\nsidecar.privilege = \"gvisor\"\n", "\n[[policy]]\nsidecar.privilege = \"gvisor\"\nsidecar.runtime = \"runsc-kvm\"\n"
	for name, c := range map[string]struct {
		settings string
		runtimes []string
	}{
		"none":                        {"", nil},
		"all jobs":                    {"[sidecar]\nprivilege = \"gvisor\"\n", []string{""}},
		"those of a policy":           {one, []string{""}},
		"of two policies, the same":   {one + one, []string{""}},
		"of two policies, apart":      {one + other, []string{"", "runsc-kvm"}},
		"all, and a policy's besides": {"[sidecar]\nprivilege = \"gvisor\"\n" + other, []string{"", "runsc-kvm"}},
		"another runtime is not its":  {"[sidecar]\nprivilege = \"runtime\"\nruntime = \"sysbox-runc\"\n" + one, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			list := GVisors(settingsOf(t, c.settings))
			if len(list) != len(c.runtimes) {
				t.Fatalf("%d settings, want %d", len(list), len(c.runtimes))
			}
			for i, s := range list {
				if s.Sidecar.Privilege != config.PrivilegeGVisor || s.Sidecar.Runtime != c.runtimes[i] {
					t.Errorf("%q on %q", s.Sidecar.Privilege, s.Sidecar.Runtime)
				}
			}
		})
	}
}
