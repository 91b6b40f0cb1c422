package test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "gitlab-dind-executor"

// goPackage is a package in go list's answer, tests included.
type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("go list knows only %d packages", len(list))
	}
	return list
}

// mayImport are the packages of this module that each of its packages may import, without the
// module's name. Only packages below test and scripts need no rule.
var mayImport = map[string][]string{
	"":                      {"executor"},
	"executor":              {"executor/access", "executor/behind", "executor/bundle", "executor/diagnosis", "executor/doctor", "executor/featureflags", "executor/joblog", "executor/notice", "executor/overview", "executor/payload", "executor/progress", "executor/redact", "executor/relay", "executor/runnerconfig", "executor/scrape", "executor/story", "executor/telemetry", "executor/try", "executor/usage", "executor/visit", "driver", "driver/dataroot", "driver/host", "driver/label", "driver/layers", "driver/looking", "driver/mirror", "driver/owner", "driver/plan", "driver/removal", "driver/sandbox", "driver/stages", "config", "fault", "group", "hostfile", "pattern", "wary"},
	"executor/access":       {"executor/payload", "driver/plan", "config", "fault", "hostfile"},
	"executor/behind":       {"config", "hostfile"},
	"executor/bundle":       {"executor/joblog", "executor/payload", "executor/redact", "driver", "driver/label", "driver/looking", "driver/sandbox", "hostfile"},
	"executor/diagnosis":    {"driver/looking", "driver/plan", "driver/stages", "config"},
	"executor/doctor":       {"executor/runnerconfig", "driver", "driver/host", "driver/plan", "driver/removal", "driver/sandbox", "config", "fault"},
	"executor/featureflags": {},
	"executor/usage":        {},
	"executor/forge":        {"fault", "pattern"},
	"executor/joblog":       {"driver/images", "driver/looking", "driver/plan", "driver/stages", "config", "fault", "wary"},
	"executor/local":        {},
	"executor/notice":       {"fault", "wary"},
	"executor/overview":     {"driver/looking", "config", "fault", "wary"},
	"executor/payload":      {"executor/featureflags", "executor/runnerconfig", "driver/plan", "fault", "hostfile"},
	"executor/pipeline":     {"fault", "pattern", "wary"},
	"executor/progress":     {"config", "wary"},
	"executor/redact":       {"wary"},
	"executor/relay":        {},
	"executor/runnerconfig": {"executor/featureflags", "driver/plan", "config", "fault", "hostfile", "pattern"},
	"executor/scrape":       {"executor/access", "executor/joblog", "executor/telemetry", "driver", "driver/label", "driver/mirror", "config", "fault"},
	"executor/story":        {"executor/bundle", "executor/joblog", "executor/overview", "executor/telemetry", "driver/looking", "driver/plan", "config", "wary"},
	"executor/telemetry":    {"hostfile", "pattern", "wary"},
	"executor/try":          {"executor/forge", "executor/local", "executor/pipeline", "fault", "pattern"},
	"executor/visit":        {"executor/access", "executor/doctor", "executor/payload", "executor/runnerconfig", "driver", "driver/host", "driver/mirror", "driver/plan", "config", "wary"},
	"driver":                {"driver/boot", "driver/bounds", "driver/engine", "driver/host", "driver/images", "driver/label", "driver/layers", "driver/looking", "driver/mirror", "driver/owner", "driver/plan", "driver/removal", "driver/sandbox", "driver/span", "driver/stages", "config", "fault", "group", "hostfile", "pattern", "wary"},
	"driver/blame":          {"driver/plan", "pattern"},
	"driver/boot":           {"driver/blame", "driver/bounds", "driver/engine", "driver/label", "driver/plan", "driver/sandbox", "driver/span", "fault", "wary"},
	"driver/bounds":         {},
	"driver/dataroot":       {"group", "pattern"},
	"driver/engine":         {"driver/label", "driver/plan", "fault", "group", "hostfile", "pattern", "wary"},
	"driver/host":           {"driver/plan", "fault", "hostfile", "pattern"},
	"driver/images":         {"driver/engine", "driver/label", "driver/plan", "driver/registry", "driver/span", "config", "fault"},
	"driver/label":          {"driver/plan", "pattern"},
	"driver/layers":         {"driver/bounds", "driver/engine", "driver/host", "driver/label", "driver/plan", "driver/removal", "driver/span", "config", "fault"},
	"driver/looking":        {"driver/bounds", "driver/engine", "driver/label", "driver/layers", "driver/mirror", "driver/plan", "driver/removal", "driver/sandbox", "fault", "group", "wary"},
	"driver/mirror":         {"driver/bounds", "driver/engine", "driver/images", "driver/label", "driver/plan", "driver/removal", "driver/span", "config", "fault", "group", "wary"},
	"driver/owner":          {},
	"driver/plan":           {"config", "fault", "pattern"},
	"driver/registry":       {"hostfile", "wary"},
	"driver/removal":        {"driver/bounds", "driver/engine", "driver/host", "driver/label", "driver/owner", "driver/plan", "driver/sandbox", "driver/span", "fault", "group", "wary"},
	"driver/sandbox":        {"driver/engine", "driver/label", "driver/owner", "driver/plan", "fault"},
	"driver/span":           {},
	"driver/stages":         {"driver/bounds", "driver/engine", "driver/label", "driver/plan", "driver/sandbox", "driver/stream", "fault", "group", "wary"},
	"driver/stream":         {},
	"config":                {"fault", "hostfile", "pattern"},
	"fault":                 {},
	"group":                 {},
	"hostfile":              {"fault"},
	"pattern":               {},
	"wary":                  {},
	"test/rig":              {},
	"test/ends":             {},
	"test/fakeengine":       {},
	"test/plant":            {},
	"test/lab":              {"executor/local", "config", "fault", "test/rig"},
}

// aTestMayImport are the packages that tests of a package may import besides.
var aTestMayImport = map[string][]string{
	"driver":           {"test/fakeengine", "test/plant", "driver/dataroot", "driver/registry"},
	"driver/boot":      {"test/fakeengine"},
	"driver/dataroot":  {"test/hostiletree"},
	"driver/engine":    {"config", "driver/owner", "test/fakeengine"},
	"driver/host":      {"test/plant"},
	"driver/looking":   {"driver/owner"},
	"executor":         {"executor", "test/fakeengine", "test/plant"}, // its external tests import itself
	"executor/local":   {"executor/local"},
	"executor/payload": {"config"},
	"executor/scrape":  {"test/fakeengine"},
	"hostfile":         {"test/plant"},
	"test/lab":         {"test/lab"},
	"test/rig":         {"test/rig"},
}

func TestArrowsPointOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.Trim(strings.TrimPrefix(p.ImportPath, module), "/")
		may, ruled := mayImport[name]
		if !ruled {
			if top, _, _ := strings.Cut(name, "/"); top != "test" && top != "scripts" {
				t.Errorf("there is no rule for package %s", p.ImportPath)
			}
			continue
		}
		seen[name] = true
		check := func(what string, imports, may []string) {
			for _, i := range imports {
				inner, ours := strings.CutPrefix(i, module+"/")
				if ours && !slices.Contains(may, inner) {
					t.Errorf("%s %s imports %s; it may import %q", what, p.ImportPath, i, may)
				}
			}
		}
		check("package", p.Imports, may)
		may = append(slices.Clone(may), "test/ends") // any test may hang
		may = append(may, aTestMayImport[name]...)
		check("a test of", p.TestImports, may)
		check("a test of", p.XTestImports, append(may, name))
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("there is a rule for %q, which is no package", name)
		}
	}
}

// The sentence "It may import …" at the top of a package agrees with these rules. In executor
// and driver the sentence stands once for all rooms.
func TestPackagesSayWhatTheyMayImport(t *testing.T) {
	said := regexp.MustCompile(`\b(?:It|The package) may import ([^.]*)\.`)
	separator := regexp.MustCompile(`, | and `)
	for name, may := range mayImport {
		if name == "" || name == "executor" || name == "driver" || strings.HasPrefix(name, "test/") {
			continue
		}
		files, err := filepath.Glob("../" + name + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		var doc string
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			doc += f.Doc.Text()
		}
		var names []string
		if m := said.FindStringSubmatch(strings.Join(strings.Fields(doc), " ")); m != nil {
			names = separator.Split(m[1], -1)
		}
		if !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(may))) {
			t.Errorf("package %s says that it may import %q, which is %q", name, names, may)
		}
	}
}

// Each of these libraries is known to few packages only.
func TestWhatIsKnownInOnePlaceOnly(t *testing.T) {
	for what, c := range map[string]struct {
		library string
		may     []string
	}{
		"Docker":                              {"github.com/docker/docker", []string{"driver/engine"}},
		"TOML":                                {"github.com/BurntSushi/toml", []string{"config", "executor/runnerconfig"}},
		"YAML":                                {"go.yaml.in/yaml", []string{"executor/pipeline"}},
		"errgroup, which lets panics through": {"golang.org/x/sync/errgroup", []string{"group"}},
		"the command line":                    {"github.com/spf13/cobra", []string{"executor", "executor/usage"}},
		"bars on a terminal":                  {"github.com/vbauerster/mpb", []string{"executor/progress"}},
		"zap":                                 {"go.uber.org/zap", []string{"executor/telemetry"}},
		"Prometheus":                          {"github.com/prometheus", []string{"executor/scrape", "executor/telemetry"}},
		"OTLP":                                {"go.opentelemetry.io/proto", []string{"executor/telemetry"}},
	} {
		for _, p := range packages(t) {
			name := strings.Trim(strings.TrimPrefix(p.ImportPath, module), "/")
			if slices.Contains(c.may, name) || strings.HasPrefix(name, "test/") || strings.HasPrefix(name, "scripts/") {
				continue // tests and scripts talk to the engine by themselves
			}
			for _, i := range p.Imports {
				if i == c.library || strings.HasPrefix(i, c.library+"/") {
					t.Errorf("%s is for %q, and %s imports %s", what, c.may, p.ImportPath, i)
				}
			}
		}
	}
}

// A plan depends on nothing but its arguments.
func TestPlansArePure(t *testing.T) {
	forbidden := []string{"os", "os/exec", "net", "net/http", "crypto/rand", "math/rand", "math/rand/v2", "io/ioutil", "syscall"}
	for _, p := range packages(t) {
		if p.ImportPath != module+"/driver/plan" && p.ImportPath != module+"/executor/pipeline" {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(forbidden, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
}
