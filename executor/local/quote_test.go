package local

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// shells returns the shells of this machine that know $'…': bash, which must exist, and
// busybox if present.
func shells(t *testing.T) [][]string {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatalf("bash is needed: %v", err)
	}
	out := [][]string{{"bash"}, {"bash", "--posix"}}
	if _, err := exec.LookPath("busybox"); err == nil {
		out = append(out, []string{"busybox", "sh"})
	}
	return out
}

// everyByte returns all bytes that a shell can hold, each before characters that could
// extend a number.
func everyByte() string {
	var b strings.Builder
	for c := 255; c > 0; c-- {
		b.WriteByte(byte(c))
		b.WriteString("1af")
	}
	return b.String()
}

func quoteTable() []string {
	return []string{
		"", "plain", "a b", "-n", "-e x", "--", "~", "~root", "*", "a*?[b]", "$HOME", "${HOME}", "$(id)", "`id`",
		"it's", `"quoted"`, `\`, `\\`, `\n`, `\x41`, "line\nline\n", "\n", "\ttab", "cr\r\n", "\x1b[32m", "\a\b\v\f",
		"ünïcödé", "日本", "\xff\xfe", "\x801", "end\\", "!", "a=b", "#x", ";", "&", "|", "<>", "(x)", "{a,b}", "%s%d",
		everyByte(),
	}
}

func TestAQuotedWordComesBackAsItWas(t *testing.T) {
	for _, shell := range shells(t) {
		for _, want := range quoteTable() {
			for depth, word := range map[string]string{
				"once":  "printf '%s' " + quote(want),
				"twice": "eval " + quote("printf '%s' "+quote(want)),
			} {
				cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:], "-c", word)...)
				cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
				var out, errs bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &errs
				if err := cmd.Run(); err != nil || out.String() != want {
					t.Errorf("%s, quoted %s: %q comes back as %q (%v %s)", shell, depth, want, out.String(), err, errs.String())
				}
			}
		}
	}
}

func TestAQuotedPathComesBackAsItWas(t *testing.T) {
	for _, shell := range append(shells(t), []string{"sh"}) {
		for _, want := range []string{"/builds/a", "/a b/$c", "/`id`", `/"x"\y`, "/$(id)"} {
			out, err := exec.CommandContext(t.Context(), shell[0], append(shell[1:], "-c", "printf '%s' "+quotePath(want))...).Output()
			if err != nil || string(out) != want {
				t.Errorf("%s: %q comes back as %q, %v", shell, want, out, err)
			}
		}
	}
}
