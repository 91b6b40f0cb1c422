package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"gitlab-dind-executor/fault"
)

// Level is the result of a check.
type Level string

// The levels. Skipped is a check that did not run because of another check's failure.
const (
	OK      Level = "ok"
	Skipped Level = "skipped"
	Warning Level = "warning"
	Error   Level = "error"
)

// Finding is a line of output.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// Fine makes a finding without a fault.
func Fine(check, format string, args ...any) Finding {
	return finding(check, OK, "", fmt.Sprintf(format, args...))
}

// Doubt makes a warning.
func Doubt(check, hint, format string, args ...any) Finding {
	return finding(check, Warning, hint, fmt.Sprintf(format, args...))
}

// Bad makes an error.
func Bad(check, hint, format string, args ...any) Finding {
	return finding(check, Error, hint, fmt.Sprintf(format, args...))
}

// Of makes a finding of an error.
func Of(check string, level Level, err error) Finding {
	return finding(check, level, fault.HintOf(err), fault.Once(err).Error())
}

// finding puts its text, also the words of others, on one line.
func finding(check string, level Level, hint, text string) Finding {
	return Finding{check, level, fault.OneLine(text), hint}
}

// Check examines a part of the host.
type Check struct {
	Name string
	// Needs are checks that must not have failed.
	Needs []string
	// Lacks names another missing condition of the check, or returns "". Lacks is called
	// when the turn of the check comes; nil is for no condition.
	Lacks func() string
	// Bound bounds the check's time; 0 means shortWhile.
	Bound time.Duration
	Run   func(context.Context) []Finding
}

// shortWhile bounds a check without a bound of its own.
const shortWhile = 45 * time.Second

// Examine makes the checks in their order, and passes each finding to tell at once. A check
// whose needs failed or were skipped is skipped with their names. An error with a cause
// that an earlier check has reported names this check. Examine ends early with ctx.
func Examine(ctx context.Context, checks []Check, tell func(Finding)) (found []Finding) {
	add := func(f Finding) {
		found = append(found, f)
		tell(f)
	}
	failed := map[string]string{} // the finding that rules out a check's use
	for _, c := range checks {
		if root := lacking(c, failed); root != "" {
			failed[c.Name] = root
			add(skipped(c.Name, root))
			continue
		}
		findings := run(ctx, c)
		if ctx.Err() != nil {
			return found
		}
		for _, f := range findings {
			root := f.Check
			if told := toldBefore(f, found); told != "" {
				f, root = skipped(f.Check, told), told
			} else if f.Level != Error {
				root = ""
			}
			failed[c.Name] = cmp.Or(failed[c.Name], root)
			add(f)
		}
	}
	return found
}

// lacking names a failed need of a check, or returns "".
func lacking(c Check, failed map[string]string) string {
	if c.Lacks != nil {
		if root := c.Lacks(); root != "" {
			return root
		}
	}
	for _, need := range c.Needs {
		if failed[need] != "" {
			return failed[need]
		}
	}
	return ""
}

func skipped(check, root string) Finding {
	return Finding{Check: check, Level: Skipped, Text: "not checked, since " + root + " is not well"}
}

// toldBefore names the check that has reported the cause of an error, or returns "".
func toldBefore(f Finding, found []Finding) string {
	for _, before := range found {
		if f.Level == Error && before.Level == Error && before.Check != f.Check && before.Text != "" && strings.HasSuffix(f.Text, before.Text) {
			return before.Check
		}
	}
	return ""
}

func run(ctx context.Context, c Check) []Finding {
	bound := c.Bound
	if bound == 0 {
		bound = shortWhile
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	return c.Run(ctx)
}

// Worst returns the worst level among findings. A skipped check does not count: the failed
// check is worse.
func Worst(found []Finding) Level {
	worst := OK
	for _, f := range found {
		if f.Level == Error || f.Level == Warning && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

// Line writes a finding's line, and a line for its hint.
func (f Finding) Line(w io.Writer) {
	fmt.Fprintf(w, "%-8s %s: %s\n", f.Level, f.Check, f.Text)
	if f.Hint != "" {
		fmt.Fprintf(w, "%-8s hint: %s\n", "", f.Hint)
	}
}

// JSON writes all findings.
func JSON(w io.Writer, found []Finding) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(found)
}
