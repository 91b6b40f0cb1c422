package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Action     string
	Package    string
	Test       string
	Elapsed    float64 // seconds
	Output     string
	ImportPath string // of build-output and build-fail, instead of Package
	Key, Value string // of attr, by which a test tells what it has found
}

// name is what an event is about; a package where there is no test.
type name struct{ pkg, test string }

// report gathers a stream and prints while it comes.
type report struct {
	out io.Writer
	// outputs is what those have printed that have not ended yet.
	outputs                 map[name][]string
	passed, failed, skipped int
	// passedIn counts the tests that passed, by package.
	passedIn map[string]int
	skips    []string
	// running are the packages that have started and not ended.
	running map[string]bool
	broken  int // packages that failed
}

func newReport(out io.Writer) *report {
	return &report{out: out, outputs: map[name][]string{}, passedIn: map[string]int{}, running: map[string]bool{}}
}

// read takes the whole stream. A line that is no JSON was written by something
// else than go test, and is passed on.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
			var e event
			if json.Unmarshal(text, &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				fmt.Fprintf(r.out, "%s\n", text)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "start":
		r.running[e.Package] = true
	case "attr":
		fmt.Fprintf(r.out, "note  %s: %s\n", e.Key, e.Value)
	case "output":
		r.outputs[n] = append(r.outputs[n], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnded(e)
		} else {
			r.testEnded(n, e.Action)
		}
		delete(r.outputs, n)
	}
}

func (r *report) testEnded(n name, action string) {
	switch action {
	case "pass":
		r.passed++
		r.passedIn[n.pkg]++
	case "skip":
		r.skipped++
		r.skips = append(r.skips, n.pkg+" "+n.test+": "+reason(r.outputs[n]))
	case "fail":
		r.failed++
		fmt.Fprintf(r.out, "FAIL  %s %s\n", n.pkg, n.test)
		r.print(r.outputs[n])
	}
}

// packageEnded prints the package's line. Where it failed, it may have been by
// os.Exit or in TestMain: what is not of a test that ended tells why.
func (r *report) packageEnded(e event) {
	delete(r.running, e.Package)
	took := fmt.Sprintf("%.1f s", e.Elapsed)
	switch {
	case e.Action == "fail":
		r.broken++
		for _, n := range r.unfinished(e.Package) {
			r.print(r.outputs[n])
			delete(r.outputs, n)
		}
		fmt.Fprintf(r.out, "FAIL  %-44s %8s\n", e.Package, took)
	case e.Action == "skip" || r.passedIn[e.Package] == 0:
		fmt.Fprintf(r.out, "-     %-44s no tests\n", e.Package)
	default:
		fmt.Fprintf(r.out, "ok    %-44s %8s  %d passed\n", e.Package, took, r.passedIn[e.Package])
	}
}

// unfinished are a package's tests that have not ended, and last the package.
func (r *report) unfinished(pkg string) []name {
	var found []name
	for n := range r.outputs {
		if n.pkg == pkg {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b name) int {
		if (a.test == "") != (b.test == "") {
			return len(b.test) - len(a.test)
		}
		return strings.Compare(a.test, b.test)
	})
	return found
}

// print shows output as it was, further to the right.
func (r *report) print(output []string) {
	for _, line := range output {
		if !frame(line) {
			fmt.Fprint(r.out, "      ", strings.TrimRight(line, "\n"), "\n")
		}
	}
}

// frame tells go test's own lines from those of the tests.
func frame(line string) bool {
	text := strings.TrimSpace(line)
	for _, prefix := range []string{"=== ", "--- ", "FAIL\t", "exit status "} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return text == "PASS" || text == "FAIL" || text == ""
}

// reason is what a test said when it was skipped.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		if !frame(line) {
			return strings.TrimSpace(line)
		}
	}
	return "without a reason"
}

// summary prints the skipped tests and the closing line. A package that has not
// ended was cut off, as when go test is killed: that is a failure too.
func (r *report) summary() {
	for _, pkg := range slices.Sorted(maps.Keys(r.running)) {
		r.broken++
		fmt.Fprintf(r.out, "FAIL  %-44s did not end\n", pkg)
	}
	for _, s := range r.skips {
		fmt.Fprintf(r.out, "SKIP  %s\n", s)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, max(r.failed, r.broken), r.skipped)
}

// ok is false after a failure or a skip, and when nothing has passed.
func (r *report) ok() bool {
	return r.failed == 0 && r.broken == 0 && r.skipped == 0 && r.passed > 0
}
