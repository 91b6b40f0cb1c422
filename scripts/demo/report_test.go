package main

import (
	"maps"
	"strings"
	"testing"
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
	for name, tt := range map[string]struct {
		colour bool
		want   string
	}{
		"for a terminal": {true, "  \x1b[0KPreparing\x1b[0;m\n  \x1b[32;1m$ docker login\x1b[0;m\n  end\n"},
		"for a file":     {false, "  Preparing\n  $ docker login\n  end\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			l := newJobLog(&out, tt.colour)
			for _, part := range []string{"\x1b[0KPrep", "aring\x1b[0;m\n", "\x1b[32;1m$ docker login\x1b", "[0;m\nend"} {
				if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatalf("wrote %d of %d: %v", n, len(part), err)
				}
			}
			l.flush()
			if out.String() != tt.want {
				t.Errorf("it shows %q", out.String())
			}
			if text := "Preparing\n$ docker login\nend\n"; l.text.String() != text || l.firstLine.IsZero() {
				t.Errorf("it remembers %q, and the first line of the script as of %v", &l.text, l.firstLine)
			}
		})
	}
}
