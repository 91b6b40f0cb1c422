package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gitlab-dind-executor/fault"
)

// What multiplies is told before it takes the host's memory.
func TestWhatMultipliesIsTooLarge(t *testing.T) {
	const many = 4900
	var keys, aliases, merged, plain, warned strings.Builder
	keys.WriteString(".a: &a\n")
	for i := range many {
		fmt.Fprintf(&keys, "  k%d: x\n", i)
		fmt.Fprintf(&aliases, "j%d: *a\n", i)
		fmt.Fprintf(&merged, "j%d: {extends: .a, script: [x]}\n", i)
		fmt.Fprintf(&plain, "j%d: {script: [x]}\n", i)
		fmt.Fprintf(&warned, "j%d: {script: [x], l%d: x, m%d: x, n%d: x}\n", i, i, i, i)
	}
	script := "  script: [x]\n"
	for name, text := range map[string]string{
		"jobs that are the same mapping":     keys.String() + script + aliases.String(),
		"jobs that extend the same one":      keys.String() + script + merged.String(),
		"jobs with the pipeline's variables": strings.Replace(keys.String(), ".a: &a", "variables:", 1) + plain.String(),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Read(t.Context(), fstest.MapFS{"a": {Data: []byte(text)}}, "a", input)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if !fault.IsOfJob(err) || !strings.Contains(err.Error(), "too large") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("but not what is only long", func(t *testing.T) {
		start := time.Now()
		p, err := Read(t.Context(), fstest.MapFS{"a": {Data: []byte(warned.String())}}, "a", input)
		if took := time.Since(start); took > 5*time.Second || err != nil || len(p.Jobs) != many {
			t.Errorf("it took %v, with %d jobs, and %v", took, len(p.Jobs), err)
		}
		if n := len(p.Warnings); n != maxWarnings+1 || !strings.Contains(p.Warnings[n-1], "more") {
			t.Errorf("%d warnings, the last of them %q", n, p.Warnings[n-1])
		}
	})
}
