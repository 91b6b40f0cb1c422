package test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/joblog"
)

// jobLine is how a line about the daemon begins, in these words or in earlier ones.
var jobLine = regexp.MustCompile(`^(?:Docker (?:daemon:|[0-9][^ ]* ready|ready|\S+ ready)|docker (?:daemon: up|is booting|[0-9.]+ ready)|starting Docker|services ready|waited [0-9]|layers (?:reused|copied)|no layers (?:yet|free))`)

// A reader compares the log in front of him with a page.
func TestPagesQuoteLinesThatJobsPrint(t *testing.T) {
	var printed []string
	for _, d := range []joblog.Daemon{{}, {Warm: true}, {Version: "1"}, {Version: "1", Warm: true}} {
		printed = append(printed, d.Starting(), d.Ready(time.Second), d.ReadyAfter(0), d.ReadyAfter(time.Second))
	}
	printed = append(printed, joblog.ServicesReady(time.Second))
	var parts []string
	for _, warm := range []bool{false, true} {
		for _, state := range []plan.LayersState{
			"", plan.LayersReused, plan.LayersCopied, plan.LayersFirst, plan.LayersOther, plan.LayersMore, plan.LayersBusy, plan.LayersDamaged,
		} {
			parts = append(parts, strings.Split(joblog.ClosingLine(looking.Usage{
				Warm: warm, Boot: time.Second, Layers: state, Received: 1, Written: 1, Disk: 1, PeakMemory: 1,
			}), ", ")...)
		}
	}
	forms := func(lines []string) []string {
		for i, l := range lines {
			lines[i] = form(l)
		}
		return lines
	}
	printed, parts = forms(printed), forms(parts)

	quotes := 0
	for _, p := range pages(t) {
		if p.name == "CHANGELOG.md" {
			continue
		}
		spans := slices.Clone(p.spans)
		for _, b := range p.blocks {
			for i, l := range strings.Split(b.text, "\n") {
				spans = append(spans, quoted{l, b.line + i})
			}
		}
		for _, s := range spans {
			if !jobLine.MatchString(s.text) {
				continue
			}
			quotes++
			if strings.Contains(s.text, "layers") && !strings.Contains(s.text, ":") {
				if !slices.ContainsFunc(parts, func(part string) bool { return strings.HasPrefix(part, s.text) }) {
					t.Errorf("%s:%d: no job says %q", p.name, s.line, s.text)
				}
				continue
			}
			if rest, closing := strings.CutPrefix(s.text, "Docker daemon:"); closing {
				for _, part := range strings.Split(rest, ", ") {
					if f := form("Docker daemon: " + strings.TrimSpace(part)); part != " …" && !slices.Contains(parts, f) && !slices.Contains(parts, form(strings.TrimSpace(part))) {
						t.Errorf("%s:%d: no job ends with %q", p.name, s.line, strings.TrimSpace(part))
					}
				}
				continue
			}
			if !slices.Contains(printed, form(s.text)) {
				t.Errorf("%s:%d: no job prints %q", p.name, s.line, s.text)
			}
		}
	}
	if quotes < 4 {
		t.Errorf("only %d lines of jobs were found", quotes)
	}
}

var figure = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)*(?: [KMGT]?B\b)?`)

// form is a line without its figures.
func form(line string) string { return figure.ReplaceAllString(line, "N") }
