package rig

import (
	"os"
	"strconv"
	"time"
)

// EnvSlower names how much slower than a machine of its own this one is, as a
// factor: 10 on one that is emulated. Whoever runs tests there has measured it.
const EnvSlower = "DIND_RIG_SLOWER"

// Slower is a bound of a test on this machine, from what it is on an ordinary one.
func Slower(bound time.Duration) time.Duration {
	factor, err := strconv.ParseFloat(os.Getenv(EnvSlower), 64)
	if err != nil || factor < 1 {
		return bound
	}
	return time.Duration(float64(bound) * factor)
}
