package rig

import (
	"os"
	"strconv"
	"time"
)

// EnvSlower names the environment variable with this machine's slowness, measured by the caller
// of the tests. The value is a factor, such as 10 on an emulated machine. An ordinary machine
// has 1.
const EnvSlower = "DIND_RIG_SLOWER"

// Slower turns a bound for an ordinary machine into the bound for this machine.
func Slower(bound time.Duration) time.Duration {
	factor, err := strconv.ParseFloat(os.Getenv(EnvSlower), 64)
	if err != nil || factor < 1 {
		return bound
	}
	return time.Duration(float64(bound) * factor)
}
