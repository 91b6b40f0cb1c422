package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

// Programs and Go name the same paths and variables.
func TestProgramsAndGoNameTheSameThings(t *testing.T) {
	seeds := func(name string) string { return `"$seed/` + name + `"` }
	for name, c := range map[string]struct {
		program string
		has     []string
	}{
		"takefiles":  {takeFiles, []string{"[ -e " + FilesThere + " ]"}},
		"containerd": {startContainerd, []string{"c=" + ContainerdConfig + "\n"}},
		"askmirror":  {askMirror, []string{"u=$" + bootMirror + " ", "unset " + bootMirror + "\n", "-f " + MirroredConfig + " ", "mv -f " + MirroredConfig + " " + ConfigDir + "/daemon.json "}},
		"bootlast":   {bootLast, []string{" in $" + bootDNS + ";"}},
		"serve":      {serve, []string{` ` + helperTool + "\n"}},
		"plantseed":  {plantSeed, []string{"seed=" + SeedPath + "\n", seeds(SeedProgram) + " " + SeedCommand + " ", "cp " + seeds(SeedID), "<" + seeds(SeedID), "<" + seeds(SeedNames)}},
	} {
		for _, text := range c.has {
			if !strings.Contains(c.program, text) {
				t.Errorf("%s.sh lacks %q", name, text)
			}
		}
	}
}

// The files are checked alone elsewhere; a container runs a text made of several files.
func TestWhatContainersRunIsPOSIXShell(t *testing.T) {
	official := []string{"dockerd-entrypoint.sh"}
	run := map[string][]string{
		"the helper":             {"sh", "-c", openCaches([]string{"/cache"}) + serve},
		"a stage":                HelperStage(nil),
		"a stage with a check":   HelperStage(&ToolCheck{}),
		"forgetting names":       {"sh", "-c", program(forgetText)},
		"giving a job its files": GiveCommand("1:1", nil),
		"a script of the job":    {"sh", "-c", string(Announced(nil))},
		"before buildx":          {"sh", "-c", program(buildxText)},
	}
	for name, s := range map[string]Sidecar{
		"a sidecar":             {FastBoot: true},
		"with layers":           {FastBoot: true, Layers: true, Container: Container{DataPath: "/var/lib/docker"}},
		"with a seed":           {FastBoot: true, Seed: "a", Container: Container{DataPath: "/var/lib/docker"}},
		"with all, rootless":    {FastBoot: true, Layers: true, Seed: "a", Container: Container{DataPath: "/d", User: "rootless", Rights: Rights{WritableCgroups: true}}},
		"with all, its own way": {Layers: true, Seed: "a", Container: Container{DataPath: "/d", Rights: Rights{WritableCgroups: true}}},
	} {
		run[name], _ = s.Boot(official, nil)
	}
	for name, command := range run {
		if len(command) < 3 || command[0] != "sh" || command[1] != "-c" {
			t.Errorf("%s: %q is no program of a shell", name, command)
			continue
		}
		if _, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(command[2]), name); err != nil {
			t.Errorf("%v in\n%s", err, command[2])
		}
		if strings.Contains(command[2], "shellcheck") {
			t.Errorf("%s has comments:\n%s", name, command[2])
		}
	}
}

// An image must keep its labels when it loses its name. Without the label of its parent,
// the classic builder no longer finds the last step of a build. Newer releases of ctr drop
// labels unless --local is set; older releases do not know this flag.
func TestImagesWithoutNamesKeepTheirLabels(t *testing.T) {
	for name, c := range map[string]struct{ help, want string }{
		"ctr of containerd 1.6": {"--force", "images tag --force docker.io/library/a:1 moby-dangling@sha256:aa\n"},
		"ctr since":             {"--force --local", "images tag --local --force docker.io/library/a:1 moby-dangling@sha256:aa\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fake := `#!/bin/sh
case $* in
*"images tag --help") echo "` + c.help + `"; exit ;;
*"namespaces ls -q") echo moby ;;
*"images ls -q") cat "` + dir + `/left" ;;
*"images ls") printf 'REF TYPE DIGEST\ndocker.io/library/a:1 x sha256:aa\nmoby-dangling@sha256:bb x sha256:bb\n' ;;
*) shift 4; echo "$*" >>"` + dir + `/calls" ;;
esac
`
			for file, text := range map[string]string{"ctr": fake, "left": "moby-dangling@sha256:aa\nmoby-dangling@sha256:bb\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", program(forgetText), "/run/socket", "")
			cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			if want := "containers ls -q\nleases ls -q\n" + c.want + "images rm docker.io/library/a:1\n"; err != nil || string(calls) != want {
				t.Errorf("%v: called\n%swant\n%s", err, calls, want)
			}
		})
	}
}
