package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheReportSaysHowItWent(t *testing.T) {
	tests := map[string]struct {
		stream string
		ok     bool
		want   []string
		never  []string
	}{
		"all passed": {
			stream: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"pass","Package":"p","Elapsed":1.26}
`,
			ok:    true,
			want:  []string{"ok    p ", "1.3 s  1 passed\n", "\n1 passed, 0 failed, 0 skipped\n"},
			never: []string{"chatter", "PASS"},
		},
		"a test failed": {
			stream: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: wrong\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p","Elapsed":0}
`,
			want:  []string{"FAIL  p TestA\n          a_test.go:1: wrong\nFAIL  p ", "0 passed, 1 failed, 0 skipped\n"},
			never: []string{"=== RUN", "--- FAIL"},
		},
		"a test has something to tell": {
			stream: `{"Action":"attr","Package":"p","Test":"TestA","Key":"chaos","Value":"4 rounds"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== ATTR  TestA chaos 4 rounds\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":1}
`,
			ok:    true,
			want:  []string{"note  chaos: 4 rounds\nok    p "},
			never: []string{"==="},
		},
		"a test was skipped": {
			stream: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:1: no engine\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}
`,
			want: []string{"SKIP  p TestB: b_test.go:1: no engine\n", "1 passed, 0 failed, 1 skipped\n"},
		},
		"the process ended before its tests": {
			stream: `{"Action":"output","Package":"p","Output":"cannot reach the engine\n"}
{"Action":"output","Package":"p","Output":"exit status 3\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.01s\n"}
{"Action":"fail","Package":"p"}
`,
			want:  []string{"      cannot reach the engine\nFAIL  p ", "0 passed, 1 failed, 0 skipped\n"},
			never: []string{"exit status"},
		},
		"it does not compile": {
			stream: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"./a.go:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`,
			want: []string{"./a.go:1: undefined: x\nFAIL  p ", "0 passed, 1 failed, 0 skipped\n"},
		},
		"go test was killed": {
			stream: `{"Action":"start","Package":"p"}
{"Action":"pass","Package":"p","Test":"TestA"}
`,
			want: []string{"FAIL  p ", "did not end\n1 passed, 1 failed, 0 skipped\n"},
		},
		"nothing ran": {
			stream: "",
			want:   []string{"0 passed, 0 failed, 0 skipped\n"},
		},
		"a line is not go test's": {
			stream: "go: no such tool\n",
			want:   []string{"go: no such tool\n"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			ok, err := run(strings.NewReader(tt.stream), &out, "")
			if err != nil || ok != tt.ok {
				t.Errorf("ok is %t, error is %v", ok, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the report lacks %q", want)
				}
			}
			for _, never := range tt.never {
				if strings.Contains(out.String(), never) {
					t.Errorf("the report has %q", never)
				}
			}
			if t.Failed() {
				t.Logf("it is:\n%s", &out)
			}
		})
	}
}

func TestTheStreamIsKeptAsItCame(t *testing.T) {
	const stream = `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p"}` + "\n"
	file := filepath.Join(t.TempDir(), "test.json")
	var out strings.Builder
	if ok, err := run(strings.NewReader(stream), &out, file); !ok || err != nil {
		t.Fatalf("ok is %t, error is %v", ok, err)
	}
	if kept, err := os.ReadFile(file); err != nil || string(kept) != stream {
		t.Errorf("kept is %q, error is %v", kept, err)
	}
}
