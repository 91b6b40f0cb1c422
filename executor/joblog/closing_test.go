package joblog

import (
	"testing"
	"time"

	"gitlab-dind-executor/driver/looking"
)

func TestTheClosingLine(t *testing.T) {
	full := ClosingLine(looking.Usage{Received: 12_345_678, Written: 1_000, PeakMemory: 300 << 20, Boot: 840 * time.Millisecond})
	if full != "Docker daemon: new, up in 0.8 s, received 11.77 MB, wrote 1000 B, peak memory 300 MB" {
		t.Errorf("got %s", full)
	}
	if none := ClosingLine(looking.Usage{}); none != "" {
		t.Errorf("nothing is known, and the line is %q", none)
	}
	if warm := ClosingLine(looking.Usage{Warm: true}); warm != "Docker daemon: from the pool" {
		t.Errorf("got %s", warm)
	}
}
