package config

import (
	"net"
	"slices"

	"gitlab-dind-executor/pattern"
)

var (
	// account is the name or the number of a user or a group of an image.
	account  = `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`
	oneUser  = pattern.New(`^` + account + `(:` + account + `)?$`)
	oneGroup = pattern.New(`^` + account + `$`)
	hostName = pattern.New(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)
)

// validateJobOptions checks the settings that only the job container has.
func validateJobOptions(j Job, f *faults) {
	if j.Hostname != "" && (!hostName.MatchString(j.Hostname) || len(j.Hostname) > 63) {
		f.add("job.hostname", "is no name of a host: %q", j.Hostname)
	}
	if mac, err := net.ParseMAC(j.MACAddress); j.MACAddress != "" && (err != nil || len(mac) != 6 || mac[0]&1 != 0) {
		f.add("job.mac_address", `must be one of a single interface, like "02:42:ac:11:00:02": %q`, j.MACAddress)
	}
	if j.User != "" && !oneUser.MatchString(j.User) {
		f.add("job.user", `must be "user" or "user:group": %q`, j.User)
	}
	for _, u := range j.AllowedUsers {
		if !oneUser.MatchString(u) {
			f.add("job.allowed_users", `must be "user" or "user:group": %q`, u)
		}
	}
	if j.User != "" && len(j.AllowedUsers) > 0 && !slices.Contains(j.AllowedUsers, j.User) {
		f.add("job.allowed_users", "must hold job.user, which all jobs run as: %q", j.User)
	}
	for _, g := range j.GroupAdd {
		if !oneGroup.MatchString(g) {
			f.add("job.group_add", "is no group: %q", g)
		}
	}
	f.number("job.oom_score_adjust", j.OOMScoreAdjust, 0, 1000)
}
