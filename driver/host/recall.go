package host

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"gitlab-dind-executor/hostfile"
)

const (
	// maxRecalled bounds the text remembered for a thing, in bytes.
	maxRecalled = 16 << 10
	// mostRecalled bounds the number of things read.
	mostRecalled = 100_000
)

// Recall returns the text that Remember kept for a thing, or nil. Only files are read that nobody
// but root and this process's user may write.
func (l *Locks) Recall(thing string) []byte {
	for _, path := range l.Dirs {
		dir, err := hostfile.Open(path)
		if err != nil {
			continue
		}
		text, err := read(dir, l.recalled(thing))
		dir.Close()
		if err == nil {
			return text
		}
	}
	return nil
}

func read(dir *hostfile.Dir, name string) ([]byte, error) {
	f, err := dir.OpenOwn(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, hostfile.ErrRefused
	}
	return dir.ReadOwn(name, maxRecalled)
}

// Remember keeps a text for a later process to Recall, beside the locks of this place. The answer
// tells whether the text was kept.
func (l *Locks) Remember(thing string, text []byte) bool {
	for _, path := range l.Dirs {
		dir, err := hostfile.OpenOrMake(path)
		if err != nil {
			continue
		}
		err = dir.Write(l.recalled(thing), text, 0o600)
		dir.Close()
		if err == nil {
			return true
		}
	}
	return false
}

// Forget undoes Remember.
func (l *Locks) Forget(thing string) {
	for _, path := range l.Dirs {
		if dir, err := hostfile.Open(path); err == nil {
			_ = dir.Remove(l.recalled(thing)) // a text left over costs one more question
			dir.Close()
		}
	}
}

// ForgetBefore forgets things whose names begin with things, remembered before a moment.
func (l *Locks) ForgetBefore(things string, moment time.Time) {
	for _, path := range l.Dirs {
		dir, err := hostfile.Open(path)
		if err != nil {
			continue
		}
		names, _ := dir.Names(mostRecalled)
		for _, n := range names {
			if at, err := dir.Modified(n); strings.HasPrefix(n, things) && err == nil && at.Before(moment) {
				_ = dir.Remove(n) // the next call tries again
			}
		}
		dir.Close()
	}
}

func (l *Locks) recalled(thing string) string {
	of := sha256.Sum256([]byte(l.of))
	return thing + "-" + hex.EncodeToString(of[:8])
}
