package dataroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// seed makes a sealed seed with the usual content of data roots.
func seed(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	seedAt(t, root)
	return root
}

// seedAt makes a seed like seed's in a directory.
func seedAt(t *testing.T, root string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(path string) string { return filepath.Join(root, path) }
	for _, dir := range []string{Dir, "image/overlay2/imagedb", "overlay2/a/diff/bin", "overlay2/l", "network/files", "containers/x"} {
		must(os.MkdirAll(at(dir), 0o755))
	}
	for path, text := range map[string]string{
		"image/overlay2/repositories.json": `{"Repositories":{}}`, "overlay2/a/link": "LINK", "overlay2/a/diff/bin/su": "program",
		"overlay2/a/diff/empty": "", "network/files/local-kv.db": "of the daemon", "containers/x/config": "of a container", "engine-id": "of the daemon",
	} {
		must(os.WriteFile(at(path), []byte(text), 0o644))
	}
	must(os.Chown(at("overlay2/a/diff/bin/su"), os.Getuid(), os.Getgid()))
	must(syscall.Chmod(at("overlay2/a/diff/bin/su"), 0o4755))
	must(os.Link(at("overlay2/a/diff/bin/su"), at("overlay2/a/diff/bin/twin")))
	must(os.Symlink("../a/diff", at("overlay2/l/LINK")))
	must(os.Symlink("/no/such", at("overlay2/a/diff/dangling")))
	must(unix.Mkfifo(at("overlay2/a/diff/fifo"), 0o600))
	if os.Getuid() == 0 { // like the sidecar
		must(unix.Mknod(at("overlay2/a/diff/gone"), unix.S_IFCHR, 0))
		must(os.Lchown(at("overlay2/a/diff/dangling"), 7, 8))
		must(unix.Lsetxattr(at("overlay2/a/diff/bin"), "trusted.overlay.opaque", []byte("y"), 0))
	}
	must(os.Chtimes(at("overlay2/a/diff"), time.Unix(1e9, 0), time.Unix(1e9, 5)))
	must(os.Chmod(at("overlay2/a/diff"), 0o711))
	must(Seal(root))
}

// files describes everything below a directory.
func files(t *testing.T, root string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil || path == root {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		rest, _ := filepath.Rel(root, path)
		fmt.Fprintf(&all, "%s %v %d:%d %d %v", rest, info.Mode(), stat.Uid, stat.Gid, stat.Rdev, info.ModTime())
		if !info.IsDir() {
			fmt.Fprint(&all, " ", stat.Nlink)
		}
		if info.Mode().IsRegular() {
			b, _ := os.ReadFile(path)
			fmt.Fprintf(&all, " %q", b)
		}
		link, _ := os.Readlink(path)
		value := make([]byte, 9)
		n, _ := unix.Lgetxattr(path, "trusted.overlay.opaque", value)
		fmt.Fprintf(&all, " %q %q\n", link, value[:max(n, 0)])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestACopyIsExactlyWhatASeedHoldsOfImages(t *testing.T) {
	from, to := seed(t), t.TempDir()
	if err := Copy(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"network", "containers", "engine-id", Dir} {
		if err := os.RemoveAll(filepath.Join(from, own)); err != nil {
			t.Fatal(err)
		}
	}
	if want, got := files(t, from), files(t, to); got != want {
		t.Errorf("the copy has\n%swant\n%s", got, want)
	}
}

func TestOfADamagedSeedNothingIsCopied(t *testing.T) {
	for name, damage := range map[string]func(at func(string) string) error{
		"it was never sealed":       func(at func(string) string) error { return os.Remove(at(Dir + "/sum")) },
		"a file is missing":         func(at func(string) string) error { return os.Remove(at("overlay2/l/LINK")) },
		"a file is one too many":    func(at func(string) string) error { return os.WriteFile(at("overlay2/more"), nil, 0o600) },
		"a layer's file is shorter": func(at func(string) string) error { return os.Truncate(at("overlay2/a/diff/bin/su"), 0) },
		"names have changed": func(at func(string) string) error {
			return os.WriteFile(at("image/overlay2/repositories.json"), []byte(`{"RepositorieX":{}}`), 0o644)
		},
		"a link leads elsewhere": func(at func(string) string) error {
			return errors.Join(os.Remove(at("overlay2/l/LINK")), os.Symlink("../b/diff", at("overlay2/l/LINK")))
		},
		"all of it is gone": func(at func(string) string) error { return os.RemoveAll(at("")) },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := seed(t), t.TempDir()
			if err := damage(func(path string) string { return filepath.Join(from, path) }); err != nil {
				t.Fatal(err)
			}
			if err := Copy(t.Context(), from, to); !errors.Is(err, ErrDamaged) {
				t.Errorf("the error is %v", err)
			}
			if left := files(t, to); left != "" {
				t.Errorf("left is\n%s", left)
			}
		})
	}
}

func TestACopyThatTakesTooLongLeavesNothing(t *testing.T) {
	late := errors.New("it takes too long")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(late)
	to := t.TempDir()
	if err := Copy(ctx, seed(t), to); !errors.Is(err, late) {
		t.Errorf("the error is %v", err)
	}
	if left := files(t, to); left != "" {
		t.Errorf("left is\n%s", left)
	}
	// A copy of one large file stops, too.
	from := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(from, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(t.TempDir(), "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := copyContent(ctx, src, dst, 4); !errors.Is(err, late) {
		t.Errorf("within a file, the error is %v", err)
	}
}

// The remains of a killed copy do not disturb the next.
func TestACopyAfterOneThatWasKilled(t *testing.T) {
	to := t.TempDir()
	if err := os.MkdirAll(filepath.Join(to, part, "image"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Copy(t.Context(), seed(t), to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(to, part)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// An earlier job may have planted anything at the target of a copy.
func TestACopyFollowsNothingThatWasPlanted(t *testing.T) {
	outside := t.TempDir()
	plant(t, outside, map[string]string{"image/file": "of the host", "file": "of the host"})
	before := files(t, outside)
	for name, tc := range map[string]struct {
		planted map[string]string
		fails   bool
	}{
		"a link where copies were made":     {planted: map[string]string{part: "->" + outside}},
		"a file there":                      {planted: map[string]string{part: ""}},
		"links within it":                   {planted: map[string]string{part + "/image": "->" + outside}},
		"layers that lead elsewhere":        {planted: map[string]string{"overlay2": "->" + outside}, fails: true},
		"images that lead elsewhere":        {planted: map[string]string{"image": "->" + outside + "/image"}, fails: true},
		"images that lead nowhere":          {planted: map[string]string{"image": "->/no/such"}, fails: true},
		"a file where images belong":        {planted: map[string]string{"image": ""}, fails: true},
		"layers of nobody":                  {planted: map[string]string{"overlay2/x/diff/file": "text"}, fails: true},
		"an empty directory where all goes": {planted: map[string]string{"overlay2/": "", "image/": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := seed(t), t.TempDir()
			plant(t, to, tc.planted)
			there := files(t, to)
			err := Copy(t.Context(), from, to)
			if tc.fails != (err != nil) {
				t.Errorf("the error is %v", err)
			}
			if got := files(t, to); tc.fails && got != there {
				t.Errorf("there was\n%sand is\n%s", there, got)
			}
			if !tc.fails {
				if b, err := os.ReadFile(to + "/overlay2/a/link"); err != nil || string(b) != "LINK" {
					t.Errorf("the copy has %q, %v", b, err)
				}
				if _, err := os.Lstat(filepath.Join(to, part)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("it is still there: %v", err)
				}
			}
			if after := files(t, outside); after != before {
				t.Errorf("outside there was\n%sand is\n%s", before, after)
			}
		})
	}
}

// Seal writes its note as a new file, and through nothing planted at its name.
func TestASealFollowsNothing(t *testing.T) {
	root, outside := seed(t), t.TempDir()
	plant(t, outside, map[string]string{"file": "of the host"})
	before := files(t, outside)
	for _, replace := range []func(at string) error{
		func(at string) error { return os.Symlink(outside+"/file", at) },
		func(at string) error { return os.Link(outside+"/file", at) },
		func(at string) error { return unix.Mkfifo(at, 0o600) },
	} {
		if err := errors.Join(os.Remove(root+"/"+Dir+"/sum"), replace(root+"/"+Dir+"/sum"), Seal(root)); err != nil {
			t.Error(err)
		}
		if err := Copy(t.Context(), root, t.TempDir()); err != nil {
			t.Error(err)
		}
	}
	if after := files(t, outside); after != before {
		t.Errorf("outside there was\n%sand is\n%s", before, after)
	}
}
