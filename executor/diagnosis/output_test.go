package diagnosis

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"gitlab-dind-executor/driver/looking"
)

// refused is an error of docker's with a row.
const refused = "Error response from daemon: manifest for app:1 not found: manifest unknown: manifest unknown\n"

// shown prints a command as the Runner's script does.
func shown(command string) string { return "\x1b[32;1m$ " + command + "\x1b[0;m\n" }

func TestOnlyTheEndOfTheCommandThatFailedCounts(t *testing.T) {
	tenLines := strings.Repeat("ok  \tgroup/app/x\t0.012s\n", 10)
	for name, text := range map[string]string{
		"an earlier command of the script":                                 shown("docker pull app:1 || true") + refused + shown("./test.sh") + "3 unit tests failed\n",
		"an earlier command, and the one that failed says nothing":         shown("docker pull app:1 || true") + refused + shown("grep -q x y"),
		"an earlier command of a block, and ten lines":                     shown("docker pull app:1 || true # collapsed multi-line command") + refused + tenLines + "FAIL\n",
		"an earlier command of a block, and one line of another program":   shown("docker pull app:1 || true # collapsed multi-line command") + refused + "psql: error: connection refused\n",
		"an earlier command without the Runner's marks":                    refused + tenLines,
		"an earlier command, by a line of a shell that shows what it does": "+ docker pull app:1\n" + refused + "+ true\n+ ./test.sh\n+ exit 3\n",
		"a failure of another program that names no docker":                refused + "go: build failed\n",
		"a failed build of another program":                                refused + "ERROR: build failed\n",
		"the middle of a line":                                             "app: " + refused,
		"the middle of a step":                                             "#9 0.512 " + refused + "#9 ERROR: process \"/bin/sh -c ./x\" did not complete successfully: exit code: 1\n",
		"what a step printed":                                              "------\n > [2/2] RUN docker pull app:1:\n0.5 " + refused + "------\nERROR: failed to solve: process \"/bin/sh -c docker pull app:1\" did not complete successfully: exit code: 1\n",
		"words of a container":                                             shown("docker run app ./start") + "write /dev/shm/x: no space left on device\n",
		"words of a container that logs in elsewhere":                      shown("docker run app ./login") + "password is empty\n",
		"words that others write as well":                                  "no docker here\n" + shown("./login.sh") + "password is empty\n",
	} {
		saysNothing(t, name, text)
	}
	for name, text := range map[string]string{
		"alone":                                     refused,
		"without an end":                            strings.TrimSpace(refused),
		"behind what it did":                        "1: Pulling from app\na1b2c3d4e5f6: Pulling fs layer\n" + refused,
		"before progress that is late":              refused + "1: Pulling from app\n",
		"behind make":                               refused + "make[1]: *** [Makefile:3: image] Error 1\nmake[1]: Leaving directory '/builds/app'\nmake: *** [Makefile:9: all] Error 2\n",
		"behind other runners of commands":          refused + "exit status 1\n" + "task: Failed to run task \"image\": exit status 1\n",
		"with the script's own word about it":       refused + "The image could not be pulled, aborting.\n",
		"with two of them":                          refused + "!!! docker pull failed !!!\nBuild failed\n",
		"with a trap that logs out":                 refused + "Removing login credentials for registry.example.com\n",
		"with a trap that ends what compose began":  refused + " Container k-web-1  Stopping\n Container k-web-1  Stopped\n Network k_default  Removed\n",
		"with a shell that shows what it does":      "+ docker pull app:1\n" + refused + "+ echo pull failed\npull failed\n+ exit 1\n",
		"in colours":                                "\x1b[31m" + strings.TrimSpace(refused) + "\x1b[0m\n",
		"with line ends of Windows":                 strings.TrimSpace(refused) + "\r\n",
		"behind progress in one line":               "pulling 10%\rpulling 90%\r" + refused,
		"with the Runner's timestamps":              "2026-11-27T04:22:18.123456Z 01E " + refused,
		"in a section":                              "section_start:1700000000:section_script_step_0[hide_duration=true,collapsed=true]\r\x1b[0K" + shown("docker pull app:1") + refused + "section_end:1700000000:section_script_step_0\r\x1b[0K\n",
		"of the last command":                       shown("apk add git") + "OK: 12 MiB\n" + shown("docker pull app:1") + refused,
		"words that others write, of docker's":      shown("docker login -u me -p '' registry.example.com") + "password is empty\n",
		"behind output that is longer than is kept": strings.Repeat("x", tailSize) + "\n" + refused,
	} {
		if _, ok := Of(Failure{Output: text}); !ok {
			t.Errorf("%s: nothing is said of\n%s", name, text[max(0, len(text)-500):])
		}
	}
}

// elsewhere are words before an error, so the error is not at its usual place.
var elsewhere = []string{"app: ", "npm error ", "[ERROR] ", "2026/11/27 04:22:18 ", "FATA[0000] ", "panic: ", "    ", "> ", "remote: "}

// For every row, words at another place or before others say nothing. A row is tried with
// its own texts behind all of elsewhere, and with all texts behind some.
func TestNoRowLooksIntoTheMiddle(t *testing.T) {
	texts, all := 0, recordings(t)
	for _, r := range rows {
		for _, f := range all[r.name].shows {
			text := strings.TrimRight(raw(f), "\n")
			behind := func(prefix string) string { return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix) }
			for _, prefix := range elsewhere {
				if d, ok := firstOf(r, read(behind(prefix))); ok {
					t.Errorf("%s: %s behind %q: diagnosed as %q", r.name, f.Name, prefix, d.Line)
				}
			}
			name := r.name + ": " + f.Name
			some := elsewhere[texts%len(elsewhere)]
			texts++
			saysNothing(t, name+" behind "+some, behind(some))
			saysNothing(t, name+", and another command", shown("docker pull app || true")+text+"\n"+shown("./test.sh")+"1 test failed\n")
			saysNothing(t, name+", and other output", text+"\n"+strings.Repeat("ok  \tgroup/app/x\t0.012s\n", 10))
			saysNothing(t, name+", and another program's failure", text+"\ncurl: (22) The requested URL returned error: 403\n")
		}
	}
	if texts < 200 {
		t.Errorf("%d texts were tried", texts)
	}
}

// The last lines of other programs in pipelines.
func TestOtherProgramsSayNothing(t *testing.T) {
	a, err := txtar.ParseFile("testdata/others.txt")
	if err != nil || len(a.Files) < 40 {
		t.Fatal(len(a.Files), err)
	}
	for _, f := range a.Files {
		saysNothing(t, f.Name, string(f.Data))
		saysNothing(t, f.Name, shown("docker compose run app ./test.sh")+string(f.Data))
	}
}

// A hostile log costs little time.
func FuzzOf(f *testing.F) {
	f.Add(refused)
	f.Add("\x1b[32;1m$ docker\x1b[0;m\nsection_end:1:x\r\x1b[0K")
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := Of(Failure{Output: text, Sidecar: looking.SidecarState{Known: true, Running: true}}); ok && (d.Line == "" || strings.ContainsAny(d.Line+d.Hint, "\n\r\x1b")) {
			t.Errorf("%q is diagnosed as %q", text, d)
		}
	})
}
