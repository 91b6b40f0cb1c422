package telemetry

import "testing"

// Rows of the same user are the hooks and the units of one host: their directories agree.
func TestWhereTheOperatorsLogIs(t *testing.T) {
	const runner = 998
	var (
		plain    = Host{false, UnitLogs, -1}
		fresh    = Host{true, UnitLogs, -1}
		roots    = Host{true, UnitLogs, 0}
		runners  = Host{true, UnitLogs, runner}
		unused   = Host{false, UnitLogs, 0}
		noHome   = map[string]string{}
		rootHome = map[string]string{"HOME": "/root"}
		userHome = map[string]string{"HOME": "/home/gitlab-runner"}
	)
	for name, c := range map[string]struct {
		env  map[string]string
		uid  int
		host Host
		want string
	}{
		"hooks of a Runner that systemd starts as root": {noHome, 0, fresh, UnitLogs},
		"units of root": {noHome, 0, roots, UnitLogs},
		"units with User=root, whose home is read-only": {rootHome, 0, roots, UnitLogs},
		"root in a shell": {rootHome, 0, roots, UnitLogs},
		"hooks of the user to whom the units' User= gave it":  {userHome, runner, runners, UnitLogs},
		"units of that user, without a home":                  {noHome, runner, runners, UnitLogs},
		"another user, with units of root":                    {userHome, runner, roots, "/home/gitlab-runner/.local/state/gitlab-dind-executor"},
		"another user, without units":                         {userHome, runner, fresh, "/home/gitlab-runner/.local/state/gitlab-dind-executor"},
		"root in a container":                                 {rootHome, 0, plain, "/root/.local/state/gitlab-dind-executor"},
		"root without systemd, where there is such a folder":  {rootHome, 0, unused, "/root/.local/state/gitlab-dind-executor"},
		"nowhere without a home":                              {noHome, 0, plain, ""},
		"nowhere without a home, for a user under systemd":    {noHome, runner, roots, ""},
		"a state directory that somebody names, without HOME": {map[string]string{"XDG_STATE_HOME": "/s"}, 0, plain, "/s/gitlab-dind-executor"},
		"a state directory that somebody names":               {map[string]string{"HOME": "/h", "XDG_STATE_HOME": "/s"}, 0, roots, "/s/gitlab-dind-executor"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := StateDir(c.env, c.uid, c.host); got != c.want {
				t.Errorf("got %q, not %q", got, c.want)
			}
		})
	}
}
