package owner

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestWhetherAnOwnerLives(t *testing.T) {
	here := Process{Machine: "m", Host: "runner-1", PIDNamespace: "pid:[1]", Boot: "b"}
	owner := here
	owner.PID, owner.Start = 7, 100
	running := func(int) (uint64, bool) { return 100, true }
	for name, c := range map[string]struct {
		change func(o, here *Process)
		start  func(int) (uint64, bool)
		want   Life
	}{
		"its process runs":                        {nil, running, Alive},
		"its process is gone":                     {nil, func(int) (uint64, bool) { return 0, false }, Dead},
		"its number belongs to another now":       {nil, func(int) (uint64, bool) { return 101, true }, Dead},
		"the machine was started anew":            {func(o, _ *Process) { o.Boot = "a" }, running, Dead},
		"another machine":                         {func(o, _ *Process) { o.Machine = "n" }, running, Unknown},
		"another host name":                       {func(o, _ *Process) { o.Host = "runner-2" }, running, Unknown},
		"another pid namespace":                   {func(o, _ *Process) { o.PIDNamespace = "pid:[2]" }, running, Unknown},
		"no pid namespace is known of it":         {func(o, _ *Process) { o.PIDNamespace = "" }, running, Unknown},
		"none is known of either":                 {func(o, h *Process) { o.PIDNamespace, h.PIDNamespace = "", "" }, running, Unknown},
		"no process at all":                       {func(o, _ *Process) { o.PID = 0 }, running, Unknown},
		"a process that cannot be":                {func(o, _ *Process) { o.PID = -1 }, running, Unknown},
		"an empty label":                          {func(o, _ *Process) { *o = Process{} }, running, Unknown},
		"containers without a machine id":         {func(o, h *Process) { o.Machine, h.Machine = "", "" }, running, Alive},
		"two such that may be different machines": {func(o, h *Process) { o.Machine, h.Machine, o.Boot = "", "", "a" }, running, Unknown},
		"a boot that could not be read":           {func(o, _ *Process) { o.Boot = "" }, running, Unknown},
		"nor here":                                {func(_, h *Process) { h.Boot = "" }, running, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			o, h := owner, here
			if c.change != nil {
				c.change(&o, &h)
			}
			if got := Judge(o, h, c.start); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestAnOwnerIsWrittenAsItIsRead(t *testing.T) {
	o := Process{Machine: "m", Host: `a"b`, PIDNamespace: "pid:[1]", Boot: "b", PID: 7, Start: 1 << 63}
	back, err := Parse(o.String())
	if err != nil || back != o {
		t.Errorf("%+v became %+v (%v)", o, back, err)
	}
	for _, broken := range []string{"", "{", "[]", `"x"`, `{"pid": "x"}`} {
		if _, err := Parse(broken); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
}

// The name of a process stands in parentheses and may hold parentheses itself.
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
		if _, err := io.WriteString(stdin, "x"); err != nil { // the process has its name once it answers
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		start, parent, err := ProcessStat(cmd.Process.Pid)
		if err != nil || parent != os.Getpid() || start == 0 {
			t.Errorf("%q: start %d, parent %d (%v)", name, start, parent, err)
		}
		o := Here()
		o.PID, o.Start = cmd.Process.Pid, start
		if got := Judge(o, Here(), StartOf(o)); got != Alive {
			t.Errorf("%q runs and is judged %d", name, got)
		}
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := Judge(o, Here(), StartOf(o)); got != Dead {
			t.Errorf("%q ended and is judged %d", name, got)
		}
	}
}

func TestThisProcessLives(t *testing.T) {
	o, err := This()
	if err != nil {
		t.Fatal(err)
	}
	if got := Judge(o, Here(), StartOf(o)); o.PID != os.Getpid() || got != Alive {
		t.Errorf("process %d is judged %d", o.PID, got)
	}
	caller, err := CallingRunner()
	if err != nil {
		t.Fatal(err)
	}
	if got := Judge(caller, Here(), StartOf(caller)); got != Alive {
		t.Errorf("the caller %+v is judged %d", caller, got)
	}
}
