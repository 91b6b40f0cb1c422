package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/test/plant"
)

// opens are the functions that open, make, change or remove a file by its name. Functions that
// only look, such as os.Stat, are missing, because they open nothing.
var opens = map[string][]string{
	"os": {
		"Open", "OpenFile", "OpenRoot", "OpenInRoot", "DirFS", "CopyFS", "ReadFile", "WriteFile", "ReadDir", "Create", "CreateTemp",
		"Mkdir", "MkdirAll", "MkdirTemp", "Rename", "Remove", "RemoveAll", "Symlink", "Link", "Chmod", "Chown", "Lchown", "Chtimes", "Truncate",
	},
	"io/ioutil": {"ReadFile", "WriteFile", "ReadDir", "TempDir", "TempFile"},
	"golang.org/x/sys/unix": {
		"Open", "Openat", "Openat2", "Creat", "Mknod", "Mknodat", "Mkfifo", "Mkdir", "Mkdirat", "Rename", "Renameat", "Renameat2", "Unlink", "Unlinkat",
		"Link", "Linkat", "Symlink", "Symlinkat", "Chmod", "Fchmodat", "Chown", "Lchown", "Fchownat", "Truncate", "OpenByHandleAt",
	},
	"syscall": {"Open", "Openat", "Creat", "Mknod", "Mkfifo", "Mkdir", "Rename", "Unlink", "Link", "Symlink", "Chmod", "Chown", "Lchown", "Truncate"},
	"github.com/prometheus/client_golang/prometheus": {"WriteToTextfile"},
	"github.com/docker/cli/cli/config":               {"Load", "LoadDefaultConfigFile"},
	"github.com/BurntSushi/toml":                     {"DecodeFile"},
}

// mayOpen are the files that may do so without package hostfile, and their reasons.
var mayOpen = map[string]string{
	"driver/host/room.go":       "it reads /proc",
	"driver/host/container.go":  "it reads /proc",
	"driver/host/limits.go":     "it reads /proc and /sys, where root alone writes",
	"driver/host/network.go":    "it reads /proc, /sys and /etc/resolv.conf, where root alone writes",
	"driver/owner/owner.go":     "it reads /proc and /etc/machine-id, where root alone writes",
	"driver/host/mounts.go":     "it reads /proc, and takes handles that open nothing of what is mounted in a volume",
	"driver/host/sharing.go":    "it asks for the file system of the engine's own directory, which holds volumes and where root alone writes",
	"driver/dataroot/":          "it runs in containers, and has rules of its own for what it finds",
	"executor/forge/":           "it serves a try: a person's own repository, and a fresh directory",
	"executor/local/":           "it stands in for GitLab Runner, in a fresh directory",
	"executor/register.go":      "a person names the file with the token, which may be a pipe; and it takes back what it has just made",
	"driver/removal/program.go": "it reads this program, by /proc/self/exe",
	"executor/seed.go":          "it reads this program, by /proc/self/exe",
	"executor/try/":             "a person's own repository, in which os.Root keeps includes; and a fresh directory of its own",
}

// A device node in a job's image once got written to. So nothing in the hooks opens a file by
// its name alone.
func TestFilesAreOpenedByHandles(t *testing.T) {
	used := map[string]bool{}
	for _, top := range []string{"../executor", "../driver", "../config", "../group", "../fault"} {
		err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			name := strings.TrimPrefix(filepath.ToSlash(path), "../")
			for _, call := range openings(t, path) {
				key := name
				if _, ok := mayOpen[key]; !ok {
					key = filepath.ToSlash(filepath.Dir(name)) + "/"
				}
				if _, ok := mayOpen[key]; !ok {
					t.Errorf("%s: use package hostfile, or give a reason in mayOpen", call)
				}
				used[key] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range mayOpen {
		if !used[name] {
			t.Errorf("mayOpen has %s, which opens nothing", name)
		}
	}
}

// openings are the uses of such functions in a Go file, by position.
func openings(t *testing.T, path string) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]string{}
	for _, i := range file.Imports {
		pkg := strings.Trim(i.Path.Value, `"`)
		name := pkg[strings.LastIndex(pkg, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		imported[name] = pkg
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Obj == nil && slices.Contains(opens[imported[x.Name]], s.Sel.Name) {
			found = append(found, set.Position(s.Pos()).String()+": "+x.Name+"."+s.Sel.Name)
		}
		return true
	})
	return found
}

// The page has a row for each place that a hook opens. The tests that plant things there have
// the same list.
func TestThePageHasEveryPlaceThatIsOpened(t *testing.T) {
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## What the hooks open on the host\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$`).FindAllStringSubmatch(section, -1) {
		if m[1] != "file" && !strings.HasPrefix(m[1], "---") {
			rows = append(rows, m[1])
		}
	}
	for _, p := range plant.Places {
		i := slices.Index(rows, p.Name)
		if i < 0 {
			t.Errorf("docs/security.md has no row for %s", p.Name)
			continue
		}
		rows = slices.Delete(rows, i, i+1)
		if (p.Walker == "") == (p.Unwalked == "") {
			t.Errorf("%s: either a test plants things there, or there is a reason why none does", p.Name)
		}
	}
	for _, left := range rows {
		t.Errorf("docs/security.md has a row for %s, which is not in plant.Places", left)
	}
}
