package plant

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Use is how a package uses one of the places.
type Use struct {
	// Name is the file's name in its directory. "" stands for "file".
	Name string
	// Do uses the place, which lies in a directory of its own. The returned error names the
	// file.
	Do func(t *testing.T, file string) error
	// May tells whether Do may succeed with a kind. Do must fail with the others.
	May func(Kind) bool
	// Quiet says how Do goes on instead of failing.
	Quiet string
}

// Values for May. Read is for files that anybody may have written, ReadOwn for files that must
// be ours. Replaced is for files that are replaced, Appended for files that are appended to.
// Named is for files named by an admin or the Runner.
var (
	Read     = func(k Kind) bool { return k.Readable }
	ReadOwn  = func(k Kind) bool { return k.Readable && !k.Foreign }
	Replaced = func(k Kind) bool { return k.Replaceable }
	Appended = func(Kind) bool { return false }
	Named    = func(k Kind) bool { return k.Readable || k.Aliased }
)

// walkBound is far longer than any use.
const walkBound = time.Minute

// Walk plants each kind in each place of a package. Nothing outside may be touched, nothing may
// hang, and errors must name the file to blame.
func Walk(t *testing.T, walker string, uses map[string]Use) {
	disk := NewDisk(t)
	for _, p := range Places {
		use, walked := uses[p.Name]
		if walked != (p.Walker == walker) {
			t.Errorf("%s: the list says that %q walks it", p.Name, p.Walker)
		}
		if !walked || p.Walker != walker {
			continue
		}
		for _, k := range Kinds(disk) {
			t.Run(p.Name+"/"+k.Name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "place")
				must(t, os.Mkdir(dir, 0o755))
				name := use.Name
				if name == "" {
					name = "file"
				}
				use.in(t, filepath.Join(dir, name), k)
				disk.Untouched(t)
			})
		}
	}
	for name := range uses {
		if !known(name) {
			t.Errorf("the list has no %q", name)
		}
	}
}

func (u Use) in(t *testing.T, file string, k Kind) {
	t.Helper()
	check := k.Put(t, file)
	hangs := time.AfterFunc(walkBound, func() { panic("a hook hangs at " + k.Name + " in the place of " + file) })
	err := u.Do(t, file)
	hangs.Stop()
	switch may := u.May(k); {
	case may && err != nil:
		t.Errorf("error %v", err)
	case !may && err == nil && u.Quiet == "":
		t.Error("no error")
	case !may && err != nil && !strings.Contains(err.Error(), filepath.Base(file)):
		t.Errorf("the error does not name the file: %v", err)
	}
	check()
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".dind-*")); err != nil || len(left) > 0 {
		t.Errorf("there is left %v, %v", left, err)
	}
}

func known(name string) bool {
	for _, p := range Places {
		if p.Name == name {
			return true
		}
	}
	return false
}
