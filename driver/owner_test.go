package driver

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestWhetherAnOwnerLives(t *testing.T) {
	here := Owner{Machine: "m", Host: "runner-1", PIDNamespace: "pid:[1]", Boot: "b"}
	owner := here
	owner.PID, owner.Start = 7, 100
	running := func(int) (uint64, bool) { return 100, true }
	for name, c := range map[string]struct {
		change func(o, here *Owner)
		start  func(int) (uint64, bool)
		want   life
	}{
		"its process runs":                        {nil, running, alive},
		"its process is gone":                     {nil, func(int) (uint64, bool) { return 0, false }, dead},
		"its number belongs to another now":       {nil, func(int) (uint64, bool) { return 101, true }, dead},
		"the machine was started anew":            {func(o, _ *Owner) { o.Boot = "a" }, running, dead},
		"another machine":                         {func(o, _ *Owner) { o.Machine = "n" }, running, unknown},
		"another host name":                       {func(o, _ *Owner) { o.Host = "runner-2" }, running, unknown},
		"another pid namespace":                   {func(o, _ *Owner) { o.PIDNamespace = "pid:[2]" }, running, unknown},
		"no pid namespace is known of it":         {func(o, _ *Owner) { o.PIDNamespace = "" }, running, unknown},
		"none is known of either":                 {func(o, h *Owner) { o.PIDNamespace, h.PIDNamespace = "", "" }, running, unknown},
		"no process at all":                       {func(o, _ *Owner) { o.PID = 0 }, running, unknown},
		"a process that cannot be":                {func(o, _ *Owner) { o.PID = -1 }, running, unknown},
		"an empty label":                          {func(o, _ *Owner) { *o = Owner{} }, running, unknown},
		"containers without a machine id":         {func(o, h *Owner) { o.Machine, h.Machine = "", "" }, running, alive},
		"two such that may be different machines": {func(o, h *Owner) { o.Machine, h.Machine, o.Boot = "", "", "a" }, running, unknown},
		"a boot that could not be read":           {func(o, _ *Owner) { o.Boot = "" }, running, unknown},
		"nor here":                                {func(_, h *Owner) { h.Boot = "" }, running, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			o, h := owner, here
			if c.change != nil {
				c.change(&o, &h)
			}
			if got := judge(o, h, c.start); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestAnOwnerIsWrittenAsItIsRead(t *testing.T) {
	o := Owner{Machine: "m", Host: `a"b`, PIDNamespace: "pid:[1]", Boot: "b", PID: 7, Start: 1 << 63}
	back, err := ParseOwner(o.String())
	if err != nil || back != o {
		t.Errorf("%+v became %+v (%v)", o, back, err)
	}
	for _, broken := range []string{"", "{", "[]", `"x"`, `{"pid": "x"}`} {
		if _, err := ParseOwner(broken); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
}

// The name of a process stands in parentheses and may hold some itself.
func TestAProcessWithAnUglyNameIsFound(t *testing.T) {
	cat, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain", "a) R 1 2 (", "))) ", "x\ny"} {
		program := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(program, cat, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stdin, "x"); err != nil { // it runs under its name once it answers
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		start, parent, err := processStat(cmd.Process.Pid)
		if err != nil || parent != os.Getpid() || start == 0 {
			t.Errorf("%q: start %d, parent %d (%v)", name, start, parent, err)
		}
		o := thisPlace()
		o.PID, o.Start = cmd.Process.Pid, start
		if got := judge(o, thisPlace(), processStart(o)); got != alive {
			t.Errorf("%q runs and is judged %d", name, got)
		}
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := judge(o, thisPlace(), processStart(o)); got != dead {
			t.Errorf("%q ended and is judged %d", name, got)
		}
	}
}

func TestThisProcessLives(t *testing.T) {
	o, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	if got := judge(o, thisPlace(), processStart(o)); o.PID != os.Getpid() || got != alive {
		t.Errorf("process %d is judged %d", o.PID, got)
	}
	caller, err := CallingRunner()
	if err != nil {
		t.Fatal(err)
	}
	if got := judge(caller, thisPlace(), processStart(caller)); got != alive {
		t.Errorf("the caller %+v is judged %d", caller, got)
	}
}
