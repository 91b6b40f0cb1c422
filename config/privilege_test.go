package config

import "testing"

func TestWhichRuntimeAPrivilegeHas(t *testing.T) {
	for _, c := range []struct{ privilege, runtime, want string }{
		{PrivilegeGVisor, "", "runsc"},
		{PrivilegeGVisor, "runsc-kvm", "runsc-kvm"},
		{PrivilegeRuntime, "sysbox-runc", "sysbox-runc"},
		{PrivilegePrivileged, "sysbox-runc", ""},
		{PrivilegeReduced, "runsc", ""},
		{PrivilegeRootless, "runsc", ""},
	} {
		if got := RuntimeOf(c.privilege, c.runtime); got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.privilege, c.runtime, got, c.want)
		}
	}
}

// Settings that a policy does not name stay. A runtime for another privilege is the
// exception.
func TestWhatAPolicyMakesOfASidecar(t *testing.T) {
	for name, c := range map[string]struct {
		settings           Sidecar
		policy             PolicySidecar
		privilege, runtime string
	}{
		"nothing":                  {Sidecar{Privilege: PrivilegeRuntime, Runtime: "sysbox-runc"}, PolicySidecar{}, PrivilegeRuntime, "sysbox-runc"},
		"gVisor beside another":    {Sidecar{Privilege: PrivilegeRuntime, Runtime: "sysbox-runc"}, PolicySidecar{Privilege: PrivilegeGVisor}, PrivilegeGVisor, ""},
		"gVisor with a name":       {Sidecar{Privilege: PrivilegeRuntime, Runtime: "sysbox-runc"}, PolicySidecar{Privilege: PrivilegeGVisor, Runtime: "gv"}, PrivilegeGVisor, "gv"},
		"gVisor as all have it":    {Sidecar{Privilege: PrivilegeGVisor, Runtime: "gv"}, PolicySidecar{Privilege: PrivilegeGVisor}, PrivilegeGVisor, "gv"},
		"an image, and gVisor's":   {Sidecar{Privilege: PrivilegeGVisor, Runtime: "gv"}, PolicySidecar{Image: "docker:28-dind"}, PrivilegeGVisor, "gv"},
		"all rights beside gVisor": {Sidecar{Privilege: PrivilegeGVisor, Runtime: "gv"}, PolicySidecar{Privilege: PrivilegePrivileged}, PrivilegePrivileged, "gv"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.policy.On(c.settings)
			if got.Privilege != c.privilege || got.Runtime != c.runtime {
				t.Errorf("%q on %q", got.Privilege, got.Runtime)
			}
		})
	}
}
