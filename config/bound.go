package config

import "time"

// prepareSlack is the time for prepare besides pulls and the boot.
const prepareSlack = 5 * time.Minute

// PrepareBound returns the longest time that prepare may take.
func (s Settings) PrepareBound() time.Duration {
	return s.Admission.Wait.Std() + s.Pull.Timeout.Std() + 3*s.Sidecar.ReadyTimeout.Std() + // more boots where the pool's sandbox fails or cached layers are damaged
		s.Services.ReadyTimeout.Std() + prepareSlack
}
