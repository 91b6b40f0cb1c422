package joblog

import (
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/looking"
)

func TestTheClosingLine(t *testing.T) {
	full := ClosingLine(looking.Usage{Received: 12_345_678, Written: 1_000, PeakMemory: 300 << 20, Boot: 840 * time.Millisecond})
	if full != "docker daemon: up in 0.8 s (cold), received 12.3MB, wrote 1kB, peak memory 300MiB" {
		t.Errorf("got %s", full)
	}
	if none := ClosingLine(looking.Usage{}); strings.Contains(none, "up in") || strings.Contains(none, "peak") {
		t.Errorf("what is not known is told: %s", none)
	}
}
