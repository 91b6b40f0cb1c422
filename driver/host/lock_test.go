package host

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/fault"
)

// locksIn makes the locks of two processes of this host, below a directory.
func locksIn(t *testing.T, dirs ...string) (one, other *Locks) {
	t.Helper()
	return &Locks{dirs, "unix:///run/docker.sock"}, &Locks{dirs, "unix:///run/docker.sock"}
}

func TestOneProcessAtATime(t *testing.T) {
	one, other := locksIn(t, filepath.Join(t.TempDir(), "locks"))
	unlock, err := one.Lock(t.Context(), "pool", "filling the pool", "wait")
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 3*lockGap)
	defer cancel()
	if _, err := other.Lock(short, "pool", "filling the pool", "wait"); err == nil || !strings.Contains(err.Error(), "another process has been filling the pool") || fault.HintOf(err) != "wait" {
		t.Errorf("error %v", err)
	}
	elsewhere, _ := locksIn(t, one.Dirs...)
	elsewhere.of = "unix:///run/other.sock"
	for _, c := range []struct {
		name, thing string
		l           *Locks
	}{{"another thing", "seed", other}, {"another engine", "pool", elsewhere}} {
		free, err := c.l.Lock(t.Context(), c.thing, "", "")
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		free()
	}
	time.AfterFunc(lockGap, unlock)
	unlock, err = other.Lock(t.Context(), "pool", "filling the pool", "wait")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestAFewProcessesAtATime(t *testing.T) {
	one, other := locksIn(t, filepath.Join(t.TempDir(), "locks"))
	first := one.Slot(t.Context(), "finish", 2, time.Minute)
	second := other.Slot(t.Context(), "finish", 2, time.Minute)
	defer second()
	short, cancel := context.WithTimeout(t.Context(), 3*lockGap)
	defer cancel()
	one.Slot(short, "finish", 2, time.Minute)()
	if short.Err() == nil {
		t.Error("a third process got one of two slots")
	}
	one.Slot(t.Context(), "finish", 2, lockGap)() // the end of patience lets the process go on
	time.AfterFunc(lockGap, first)
	one.Slot(t.Context(), "finish", 2, time.Minute)()
	nowhere := &Locks{Dirs: []string{"/dev/null/locks"}}
	nowhere.Slot(t.Context(), "finish", 0, time.Minute)() // without a place for locks nobody waits
}

// Other users can neither open nor make the file of a lock.
func TestALockIsItsUsersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locks")
	d, _ := locksIn(t, dir)
	unlock, err := d.Lock(t.Context(), "pool", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range []string{dir, filepath.Join(dir, files[0].Name())} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// If a directory does not serve, the next does.
func TestALockLiesWhereItCan(t *testing.T) {
	base := t.TempDir()
	file, open, last := filepath.Join(base, "file"), filepath.Join(base, "open"), filepath.Join(base, "last")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer unix.Umask(unix.Umask(0))
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	d, _ := locksIn(t, file, open, last)
	unlock, err := d.Lock(t.Context(), "pool", "", "")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if left, err := os.ReadDir(last); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	none, _ := locksIn(t, file, open)
	if _, err := none.Lock(t.Context(), "pool", "", ""); err == nil || fault.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
}

func TestOthersAreToldWhatThisProcessDoes(t *testing.T) {
	one, other := locksIn(t, filepath.Join(t.TempDir(), "locks"))
	told := func(want bool, when string) {
		t.Helper()
		if got := other.Shared("beginning"); got != want {
			t.Errorf("%s others are told %t", when, got)
		}
	}
	told(false, "before")
	first, second := one.Share("beginning"), one.Share("beginning")
	told(true, "while two do it")
	if other.Shared("making") {
		t.Error("they are told of another thing")
	}
	first()
	told(true, "while one does it")
	second()
	told(false, "behind it")
	nowhere := &Locks{[]string{"/proc/gitlab-dind-executor"}, "x"}
	nowhere.Share("beginning")()
	if nowhere.Shared("beginning") {
		t.Error("where there is no place for a lock, they are told")
	}
}
