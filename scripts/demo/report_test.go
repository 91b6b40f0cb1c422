package main

import (
	"maps"
	"os"
	"strings"
	"testing"

	"gitlab-dind-executor/test/rig"
)

func TestDigestsAreReadFromWhatPushSays(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	log := "$ docker push app:latest\nlatest: Pulling\n" +
		"c716b6d3: digest: " + digest + " size: 1148\nlatest: digest: " + digest + " size: 1148\n" +
		"note latest: digest: " + digest + " size: 1148\n"
	want := map[string]string{"c716b6d3": digest, "latest": digest}
	if got := pushes(log); !maps.Equal(got, want) {
		t.Errorf("pushes are %v", got)
	}
}

func TestTheLogIsShownLineByLine(t *testing.T) {
	var out strings.Builder
	l := &jobLog{out: &out}
	for _, part := range []string{"Prep", "aring\n", "\n$ docker", " login\nend"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(part), err)
		}
	}
	l.flush()
	if want := "  Preparing\n\n  $ docker login\n  end\n"; out.String() != want {
		t.Errorf("it shows %q", out.String())
	}
	if want := "Preparing\n\n$ docker login\nend\n"; l.text.String() != want {
		t.Errorf("it remembers %q", &l.text)
	}
}

// The demo runs the README's pipeline, with other names of images.
func TestThePipelineIsThatOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.NewReplacer(rig.ImageCLI, "docker:latest", rig.ImageDind, "docker:dind").Replace(pipeline)) {
		if strings.Contains(line, ":latest") && strings.Contains(line, "docker tag") {
			break // the demo pushes a second tag
		}
		if !strings.Contains(string(readme), line) {
			t.Errorf("README.md does not have %q", line)
		}
	}
}
