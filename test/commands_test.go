package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"

	"gitlab-dind-executor/executor"
	"gitlab-dind-executor/test/fakeengine"
)

// Blocks of shell commands are checked word by word: programs, subcommands, flags, make's
// targets, units, scripts. Blocks that begin with ```sh run are executed besides, in an empty
// folder and with an empty engine.

// foreign are programs that pages may use without being ours. Add a program when a page needs
// it.
var foreign = strings.Fields(`
	ansible-playbook apt apt-get awk bash cat cd chattr chmod chown command cp curl cut date df diff dnf docker
	dpkg du echo exit export false find findmnt getent git glab gitlab-ctl gitlab-runner go gpg grep
	gunzip gzip head id install ip ip6tables iptables jq journalctl kill ln ls mkdir mmdebstrap
	mount mv openssl printf promtool ps rm rpm runsc sed set sh sha256sum sha512sum sleep sort ss stat sudo
	sysctl systemctl tail tar tee test time timeout touch true umount uname unset
	update-ca-certificates useradd usermod wait wc wget xargs yum zcat`)

func TestCommandsInPagesExist(t *testing.T) {
	known := commands{targets: makeTargets(t), units: units(t)}
	ours := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			switch {
			case b.is("bash") || b.is("shell") || b.is("console"):
				t.Errorf("%s:%d: call it sh, so that its commands are checked", p.name, b.line)
			case b.is("sh"):
				n, err := known.check(b.text)
				ours += n
				if err != nil {
					t.Errorf("%s:%d: in these commands: %v", p.name, b.line, err)
				}
			}
		}
		for _, s := range p.spans {
			if strings.HasPrefix(s.text, programName+" ") || strings.HasPrefix(s.text, "make ") {
				n, err := known.check(s.text)
				ours += n
				if err != nil {
					t.Errorf("%s:%d: %v", p.name, s.line, err)
				}
			}
		}
	}
	if ours < 20 {
		t.Errorf("only %d commands of ours were found", ours)
	}
}

// Units start commands as well.
func TestCommandsInUnitsExist(t *testing.T) {
	starts := regexp.MustCompile(`(?m)^Exec\w+=/usr/local/bin/gitlab-dind-executor (.*)$`)
	for _, unit := range units(t) {
		text, err := os.ReadFile(filepath.Join("../scripts/systemd", unit))
		if err != nil {
			t.Fatal(err)
		}
		found := starts.FindAllStringSubmatch(string(text), -1)
		if path.Ext(unit) == ".service" && len(found) == 0 {
			t.Errorf("%s starts nothing", unit)
		}
		for _, m := range found {
			if err := knownCommand(strings.Fields(m[1])); err != nil {
				t.Errorf("%s: %v", unit, err)
			}
		}
	}
}

func TestCommandsThatPagesMustNotName(t *testing.T) {
	known := commands{targets: makeTargets(t), units: units(t)}
	for _, line := range []string{
		"gitlab-dind-executor nonsense", "gitlab-dind-executor gc --nonsense", "gitlab-dind-executor pool nonsense",
		"sudo -u gitlab-runner gitlab-dind-executor gc surplus", "bin/gitlab-dind-executor nonsense", "make nonsense",
		"scripts/nonsense", "systemctl start gitlab-dind-executor-nonsense.timer", "for a in b; do nonsense; done",
		"x=$(gitlab-dind-executor nonsense)", "an unclosed 'quote",
	} {
		if _, err := known.check(line); err == nil {
			t.Errorf("nothing is wrong with %s", line)
		}
	}
	for _, line := range []string{
		"sudo -u gitlab-runner gitlab-dind-executor --settings FILE gc --caches --older-than 0s", "make bench BENCH=\"-only A\"",
		"systemctl edit 'gitlab-dind-executor-pool@.service'", "f() { true; }; f", "gitlab-dind-executor --version",
		"gitlab-dind-executor completion bash >FILE", "gitlab-dind-executor help gc", "gitlab-dind-executor gc --help",
	} {
		if _, err := known.check(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// commands are this project's targets and units that a block may call.
type commands struct{ targets, units []string }

// check returns the unknown parts of the commands as an error, and counts the calls of this
// project.
func (k commands) check(script string) (ours int, err error) {
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		return 0, err
	}
	functions := map[string]bool{}
	var faults []error
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.FuncDecl:
			functions[n.Name.Value] = true
		case *syntax.CallExpr:
			if words := unwrapped(wordsOf(n)); len(words) > 0 && !functions[words[0]] {
				its, err := k.checkCall(words)
				if its {
					ours++
				}
				faults = append(faults, err)
			}
		}
		return true
	})
	return ours, errors.Join(faults...)
}

func (k commands) checkCall(words []string) (ours bool, err error) {
	program, args := words[0], words[1:]
	switch {
	case path.Base(program) == programName:
		if err := knownCommand(args); err != nil {
			return true, fmt.Errorf("%s: %w", strings.Join(words, " "), err)
		}
		return true, nil
	case program == "make":
		for _, a := range args {
			if !strings.HasPrefix(a, "-") && !strings.Contains(a, "=") && !slices.Contains(k.targets, a) {
				return true, fmt.Errorf("the Makefile has no target %s", a)
			}
		}
		return true, nil
	case program == "systemctl" || program == "journalctl":
		for _, a := range args {
			if strings.HasPrefix(a, programName) && !slices.ContainsFunc(k.units, func(unit string) bool { return unitMatches(a, unit) }) {
				return true, fmt.Errorf("scripts/systemd has no unit %s", a)
			}
		}
	case strings.HasPrefix(strings.TrimPrefix(program, "./"), "scripts/"):
		_, err := os.Stat(filepath.Join("..", program))
		return true, err
	case !slices.Contains(foreign, program):
		return false, fmt.Errorf("%s is no program that pages are known to use: see foreign in test/commands_test.go", program)
	}
	return false, nil
}

// unitMatches tells whether a name or pattern fits a unit. An instance fits its template.
func unitMatches(name, unit string) bool {
	if before, after, ok := strings.Cut(name, "@"); ok {
		name = before + "@" + path.Ext(after)
	}
	matches, _ := path.Match(name, unit)
	return matches || name == strings.TrimSuffix(unit, ".service")
}

// knownCommand returns an error for arguments that the program does not know.
func knownCommand(args []string) error {
	root := executor.Commands()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	root.InitDefaultVersionFlag()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if cmd.Flags().Changed("help") || cmd.Flags().Changed("version") {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// wordsOf are the words of a call. An expansion of the shell stands as its name.
func wordsOf(call *syntax.CallExpr) []string {
	var words []string
	for _, w := range call.Args {
		var b strings.Builder
		for _, part := range w.Parts {
			syntax.Walk(part, func(n syntax.Node) bool {
				switch n := n.(type) {
				case *syntax.Lit:
					b.WriteString(n.Value)
				case *syntax.SglQuoted:
					b.WriteString(n.Value)
				case *syntax.CmdSubst:
					b.WriteString("OUTPUT")
					return false
				}
				return true
			})
		}
		words = append(words, b.String())
	}
	return words
}

// unwrapped removes sudo with its flags.
func unwrapped(words []string) []string {
	if len(words) == 0 || words[0] != "sudo" {
		return words
	}
	for words = words[1:]; len(words) > 0 && strings.HasPrefix(words[0], "-"); words = words[1:] {
		if words[0] == "-u" || words[0] == "-g" {
			words = words[1:]
		}
	}
	return words
}

func makeTargets(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindSubmatch(b)
	if phony == nil {
		t.Fatal("the Makefile has no .PHONY line")
	}
	return strings.Fields(string(phony[1]))
}

func units(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../scripts/systemd/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no units: %v", err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

func TestCommandsInPagesThatAreMarkedRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, programName)); err != nil {
		t.Fatal(err)
	}
	engine := fakeengine.New(t)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if !b.is("sh") || !slices.Contains(b.info, "run") {
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", path.Base(p.name), b.line), func(t *testing.T) {
				home := t.TempDir()
				cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-o", "pipefail", "-c", b.text)
				cmd.Dir = home
				cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "XDG_STATE_HOME=" + home, "DOCKER_HOST=" + engine.Host}
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v:\n%s\n%s", err, b.text, out)
				}
			})
		}
	}
}
