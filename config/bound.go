package config

import "time"

// prepareSlack is what prepare may take besides pulls and the boot.
const prepareSlack = 5 * time.Minute

// PrepareBound is how long a prepare may take.
func (s Settings) PrepareBound() time.Duration {
	return s.Admission.Wait.Std() + s.Pull.Timeout.Std() + 3*s.Sidecar.ReadyTimeout.Std() + // again where a sandbox that waits does not come up, or cached layers are damaged
		s.Services.ReadyTimeout.Std() + prepareSlack
}
