package plan

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// A script's output and errors keep their order.
func TestAScriptHasOneWayOut(t *testing.T) {
	script := strings.Repeat("echo out; echo err >&2; cat /nonexistent/x || true\n", 50) + "exit 3\n"
	sh := exec.CommandContext(t.Context(), "sh")
	var out, errs bytes.Buffer
	sh.Stdin, sh.Stdout, sh.Stderr = bytes.NewReader(Announced([]byte(script))), &out, &errs
	if err := sh.Run(); sh.ProcessState.ExitCode() != 3 {
		t.Error(err)
	}
	first, rest, _ := strings.Cut(out.String(), "\n")
	if first != ScriptMarker || errs.Len() > 0 {
		t.Errorf("it begins with %q, and says %q elsewhere", first, errs.String())
	}
	for i, line := range strings.Split(strings.TrimSpace(rest), "\n") {
		if want := []string{"out", "err", "cat: /nonexistent/x"}[i%3]; !strings.HasPrefix(line, want) {
			t.Fatalf("line %d is %q, want %q", i, line, want)
		}
	}
}
