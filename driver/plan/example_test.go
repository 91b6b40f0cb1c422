package plan

import (
	"net/netip"
	"time"

	"gitlab-dind-executor/config"
)

// example is a job that declares nothing, on a host without oddities.
func example() (config.Settings, Job, Facts) {
	job := Job{
		Key: "gitlab.example.com/1000", Scope: "gitlab.example.com/42/unprotected", Protection: Unprotected,
		Timeout: time.Hour, BuildsDir: "/builds", ProjectDir: "/builds/group/app", RunnerVersion: "18.6.6",
	}
	facts := Facts{
		Sandbox: "0123456789ab", Owner: `{"pid":7}`,
		Started: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC),
		Used:    []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("192.0.2.0/24")},
		DNS:     []netip.Addr{netip.MustParseAddr("192.0.2.53")},
		MTU:     1450, Arch: "x86_64",
	}
	return config.Default(), job, facts
}
