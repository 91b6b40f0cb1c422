package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// Log is about the operator's log.
type Log struct {
	// File is an absolute path; empty means operator.log in the state directory of the
	// calling user.
	File string `toml:"file"`
	// Journal sends each line to systemd's journal, too.
	Journal bool `toml:"journal"`
	// Level is one of LogLevels.
	Level string `toml:"level"`
	// MaxSize is the size in bytes at which a new file begins; 0 means never.
	MaxSize Size `toml:"max_size"`
	// MaxFiles is the number of older files to keep.
	MaxFiles int `toml:"max_files"`
}

// The values of log.level.
const (
	LogOff   = "off"
	LogInfo  = "info"
	LogDebug = "debug"
)

// LogLevels are the valid values of log.level.
var LogLevels = []string{LogOff, LogInfo, LogDebug}

func validateLog(l Log, f *faults) {
	if l.File != "" && (!filepath.IsAbs(l.File) || filepath.Clean(l.File) != l.File) {
		f.add("log.file", "must be an absolute path: %q", l.File)
	}
	if !slices.Contains(LogLevels, l.Level) {
		f.add("log.level", "must be one of %s, not %q", strings.Join(LogLevels, ", "), l.Level)
	}
	if l.MaxSize != 0 && l.MaxSize < 64<<10 {
		f.add("log.max_size", "must be 0 or at least 64k")
	}
	if l.MaxFiles < 1 || l.MaxFiles > 100 {
		f.add("log.max_files", "must be from 1 to 100")
	}
}
