package rig

import (
	"testing"
	"time"
)

func TestABoundIsNeverShorterThanOnAnOrdinaryMachine(t *testing.T) {
	for factor, want := range map[string]time.Duration{
		"": time.Minute, "2.5": 150 * time.Second, "0.1": time.Minute, "-3": time.Minute, "much": time.Minute,
	} {
		t.Setenv(EnvSlower, factor)
		if got := Slower(time.Minute); got != want {
			t.Errorf("with %q a minute is %s, want %s", factor, got, want)
		}
	}
}
