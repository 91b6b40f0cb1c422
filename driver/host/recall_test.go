package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhatIsRememberedIsRecalled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	one, other := locksIn(t, dir)
	if got := one.Recall("engine"); got != nil {
		t.Errorf("before anything was remembered it is %q", got)
	}
	if !one.Remember("engine", []byte("v")) || string(other.Recall("engine")) != "v" {
		t.Errorf("another process recalls %q", other.Recall("engine"))
	}
	elsewhere := &Locks{[]string{dir}, "tcp://192.0.2.1:2376"}
	if got := elsewhere.Recall("engine"); got != nil {
		t.Errorf("of another engine it is %q", got)
	}
	for i := range 2 {
		one.Forget("engine")
		if got := one.Recall("engine"); got != nil {
			t.Errorf("forgotten %d times it is %q", i+1, got)
		}
	}
	if nowhere := (&Locks{[]string{"/proc/gitlab-dind-executor"}, "x"}); nowhere.Remember("engine", nil) || nowhere.Recall("engine") != nil {
		t.Error("where nothing can be written something is remembered")
	}
}

func TestWhatOthersMayWriteIsNotRecalled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	l, _ := locksIn(t, dir)
	if !l.Remember("engine", []byte("v")) {
		t.Fatal("it is not remembered")
	}
	file := filepath.Join(dir, l.recalled("engine"))
	for _, mode := range []os.FileMode{0o602, 0o620, 0o666, 0o644} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if got := l.Recall("engine"); got != nil {
			t.Errorf("with mode %o it is %q", mode, got)
		}
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("x", maxRecalled+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := l.Recall("engine"); got != nil {
		t.Errorf("more than anybody remembers: %d bytes", len(got))
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.WriteFile(file, []byte("v"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if got := l.Recall("engine"); got != nil {
		t.Errorf("of another user it is %q", got)
	}
}

func TestWhatIsOldIsForgotten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	l, _ := locksIn(t, dir)
	for _, thing := range []string{"job-a", "job-b", "engine"} {
		if !l.Remember(thing, nil) {
			t.Fatal("it is not remembered")
		}
	}
	old := time.Now().Add(-time.Hour)
	for _, thing := range []string{"job-a", "engine"} {
		if err := os.Chtimes(filepath.Join(dir, l.recalled(thing)), old, old); err != nil {
			t.Fatal(err)
		}
	}
	l.ForgetBefore("job-", time.Now().Add(-time.Minute))
	if l.Recall("job-a") != nil || l.Recall("job-b") == nil || l.Recall("engine") == nil {
		t.Errorf("left are %q, %q and %q", l.Recall("job-a"), l.Recall("job-b"), l.Recall("engine"))
	}
}
