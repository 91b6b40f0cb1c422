package telemetry

import (
	"os"
	"path/filepath"
	"syscall"
)

// folder is the name of the directory that is this program's, wherever it lies.
const folder = "gitlab-dind-executor"

// UnitLogs is the directory that systemd makes for the units, by their
// LogsDirectory=.
const UnitLogs = "/var/log/" + folder

// Host is what the place of the operator's log depends on besides the user.
type Host struct {
	// Systemd tells whether systemd runs the services of this host.
	Systemd bool
	// Logs is the directory of the units' logs, UnitLogs but in tests, and
	// LogsOwner the user whose it is, -1 while there is none.
	Logs      string
	LogsOwner int
}

// ThisHost looks.
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

// StateDir is the directory of the operator's log, and of bundles, where the
// settings name none; "" if this user has no place for them.
//
// Hooks and units of one user must come to the same directory. The units have no
// home, or one that they cannot write, and so has a Runner that systemd starts as
// root. So under systemd it is the units' for root, and for the user to whom the
// units' User= has given it. A directory that somebody names comes before.
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
