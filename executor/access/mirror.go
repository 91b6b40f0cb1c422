package access

import (
	"fmt"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// maxPassword bounds a file with a password, in bytes.
const maxPassword = 64 << 10

// Mirror returns the mirror for the settings. Mirror reads the files of its password and of
// its registry's CA.
func Mirror(s config.Settings) (plan.Mirror, error) {
	var password plan.Secret
	if f := s.Mirror.PasswordFile; f != "" {
		b, err := hostfile.ReadNamed(f, maxPassword)
		if err != nil {
			return plan.Mirror{}, fault.System(fmt.Errorf("mirror.password_file: %w", err), "name a file that the Runner's user can read")
		}
		password = plan.NewSecret(strings.TrimRight(string(b), "\r\n"))
	}
	var ca []byte
	if f := s.Registry[plan.MirrorRemote(s)].CAFile; f != "" {
		var err error
		if ca, err = CA(plan.MirrorRemote(s), f); err != nil {
			return plan.Mirror{}, err
		}
	}
	return plan.BuildMirror(s, password, ca), nil
}
