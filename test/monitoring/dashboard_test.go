package monitoring

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheDashboardIsWhatGrafanaReads(t *testing.T) {
	t.Parallel()
	var d struct {
		UID, Title    string
		SchemaVersion int
		Templating    struct{ List []struct{ Name, Type string } }
		Panels        []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.SchemaVersion == 0 || len(d.Panels) < 10 || len(d.Templating.List) != 2 {
		t.Errorf("%+v", d)
	}
	at := programs(t)
	seen := map[int]bool{}
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for _, p := range d.Panels {
		if seen[p.ID] || p.Title == "" || (len(p.Targets) == 0) != (p.Type == "row") || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %+v", p)
		}
		seen[p.ID] = true
		for _, q := range p.Targets {
			fmt.Fprintf(&rules, "      - record: panel:%d:%s\n        expr: %q\n", p.ID, q.RefID, strings.ReplaceAll(q.Expr, "$instance", ".*"))
		}
	}
	// A rule accepted by promtool is a query for Prometheus.
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(filepath.Join(at, "promtool"), "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, rules.String())
	}
}

// kinds are the subjects of the dashboard's queries, with the fitting units. The first match
// counts.
var kinds = []struct {
	query *regexp.Regexp
	units []string
}{
	{regexp.MustCompile(`^avg\(|_bytes\S* / \(`), []string{"percentunit", "suffix:×"}},
	{regexp.MustCompile(`^histogram_quantile|_seconds_total|timestamp_seconds`), []string{"s"}},
	{regexp.MustCompile(`_bytes`), []string{"bytes"}},
	{regexp.MustCompile(`.`), []string{"short"}},
}

// unitsOf are the units in which the result of a query can be shown.
func unitsOf(query string) []string {
	for _, k := range kinds {
		if k.query.MatchString(query) {
			return k.units
		}
	}
	return nil
}

func TestAPanelHasOneUnit(t *testing.T) {
	t.Parallel()
	var d struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
			FieldConfig struct {
				Defaults struct {
					Unit       string
					Thresholds struct{ Steps []any }
				}
			}
			GridPos struct{ X, Y int }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	first := d.Panels[0]
	if first.Title != "Engines that answer" || first.GridPos.X != 0 || first.GridPos.Y != 0 {
		t.Errorf("the first panel is %q", first.Title)
	}
	for _, p := range d.Panels {
		if p.Type == "stat" && len(p.FieldConfig.Defaults.Thresholds.Steps) == 0 {
			t.Errorf("%s has no thresholds", p.Title)
		}
		for _, q := range p.Targets {
			if unit := p.FieldConfig.Defaults.Unit; p.Type != "state-timeline" && !slices.Contains(unitsOf(q.Expr), unit) {
				t.Errorf("%s shows %s in %q", p.Title, q.Expr, unit)
			}
		}
	}
}
