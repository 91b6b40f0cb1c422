package telemetry

import (
	"os"
	"path/filepath"
	"syscall"
)

// folder is the name of this program's directory, in any place.
const folder = "gitlab-dind-executor"

// UnitLogs is the directory that systemd makes for the units, by their LogsDirectory=.
const UnitLogs = "/var/log/" + folder

// Host holds the facts of a host that decide the place of the operator's log.
type Host struct {
	// Systemd tells whether systemd runs the services of this host.
	Systemd bool
	// Logs is the directory of the units' logs: UnitLogs except in tests. LogsOwner is the
	// directory's user, -1 without a directory.
	Logs      string
	LogsOwner int
}

// ThisHost returns the facts of this host.
func ThisHost() Host {
	h := Host{Logs: UnitLogs, LogsOwner: -1}
	// systemd's own sign, see sd_booted(3).
	if info, err := os.Lstat("/run/systemd/system"); err == nil {
		h.Systemd = info.IsDir()
	}
	if info, err := os.Lstat(UnitLogs); err == nil && info.IsDir() {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			h.LogsOwner = int(st.Uid)
		}
	}
	return h
}

// StateDir is the default directory of the operator's log and of bundles; "" if this user
// has no place.
//
// Hooks and units of the same user must find the same directory. The units have no home
// that they can write, nor has a Runner that systemd starts as root. So under systemd
// StateDir is the units' directory for root, and for the user of the units' User=. A
// directory named in the environment comes before.
func StateDir(env map[string]string, uid int, h Host) string {
	switch {
	case env["XDG_STATE_HOME"] != "":
		return filepath.Join(env["XDG_STATE_HOME"], folder)
	case h.Systemd && (uid == 0 || uid == h.LogsOwner):
		return h.Logs
	case env["HOME"] != "":
		return filepath.Join(env["HOME"], ".local", "state", folder)
	}
	return ""
}
