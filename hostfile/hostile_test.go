package hostfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/plant"
)

func opened(t *testing.T, open func(string) (*Dir, error), name string) *Dir {
	t.Helper()
	d, err := open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Whatever lies in the place of a file, nothing outside is touched and nothing is waited
// for. Each refusal comes with a hint.
func TestWhatIsPlantedInThePlaceOfAFile(t *testing.T) {
	disk := plant.NewDisk(t)
	for what, use := range map[string]struct {
		do func(d *Dir) error
		// allowed tells which uses may succeed.
		allowed func(k plant.Kind) bool
	}{
		"read":     {func(d *Dir) error { _, err := d.Read("f", 1<<10); return err }, func(k plant.Kind) bool { return k.Readable }},
		"read own": {func(d *Dir) error { _, err := d.ReadOwn("f", 1<<10); return err }, func(k plant.Kind) bool { return k.Readable && !k.Foreign }},
		"write":    {func(d *Dir) error { return d.Write("f", []byte("ours"), 0o600) }, func(k plant.Kind) bool { return k.Replaceable }},
		"append": {func(d *Dir) error {
			f, err := d.Append("f")
			if err == nil {
				_, err = f.WriteString("more")
				f.Close()
			}
			return err
		}, func(plant.Kind) bool { return false }},
		"modified": {func(d *Dir) error { _, err := d.Modified("f"); return err }, func(k plant.Kind) bool { return k.Readable }},
		"remove":   {func(d *Dir) error { return d.Remove("f") }, func(k plant.Kind) bool { return k.Replaceable }},
	} {
		for _, k := range plant.Kinds(disk) {
			t.Run(what+" "+k.Name, func(t *testing.T) {
				dir := t.TempDir()
				check := k.Put(t, filepath.Join(dir, "f"))
				err := use.do(opened(t, OpenForeign, dir))
				switch allowed := use.allowed(k); {
				case allowed && err != nil:
					t.Errorf("error %v", err)
				case !allowed && err == nil:
					t.Error("no error")
				case !allowed && !strings.Contains(err.Error(), filepath.Join(dir, "f")):
					t.Errorf("the error does not name the file: %v", err)
				case !allowed && errors.Is(err, ErrRefused) && fault.HintOf(err) == "":
					t.Errorf("no hint: %v", err)
				}
				if left, err := filepath.Glob(filepath.Join(dir, ".dind-*")); err != nil || len(left) > 0 {
					t.Errorf("there is left %v, %v", left, err)
				}
				check()
				disk.Untouched(t)
			})
		}
	}
}

// A user who guesses the name of a new file must not lead the write elsewhere.
func TestANewFileIsMadeOfNothingThatIsThere(t *testing.T) {
	disk := plant.NewDisk(t)
	for _, k := range plant.Kinds(disk) {
		t.Run(k.Name, func(t *testing.T) {
			dir := t.TempDir()
			check := k.Put(t, filepath.Join(dir, "f"))
			d := opened(t, OpenForeign, dir)
			if f, err := create(d.fd, "f", "f", unix.O_WRONLY|unix.O_NONBLOCK); !errors.Is(err, fs.ErrExist) {
				f.Close()
				t.Errorf("error %v", err)
			}
			check()
			disk.Untouched(t)
		})
	}
	d := opened(t, OpenForeign, t.TempDir())
	outside := filepath.Join(t.TempDir(), "outside")
	if err := unix.Symlinkat(outside, d.fd, "dangling"); err != nil {
		t.Fatal(err)
	}
	if f, err := create(d.fd, "dangling", "dangling", unix.O_WRONLY); !errors.Is(err, fs.ErrExist) {
		f.Close()
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made outside: %v", err)
	}
}

// A kernel without openat2 refuses the same.
func TestNamesAreResolvedAlikeWithoutOpenat2(t *testing.T) {
	if !hasOpenat2() {
		t.Error("this kernel has no openat2, so it is not tested here")
	}
	disk := plant.NewDisk(t)
	for _, k := range plant.Kinds(disk) {
		t.Run(k.Name, func(t *testing.T) {
			dir := t.TempDir()
			k.Put(t, filepath.Join(dir, "f"))
			d := opened(t, OpenForeign, dir)
			for _, name := range []string{"f", "f/in it", "missing", "..", "/etc", "a/../..", "."} {
				var errs [2]error
				for i, openat2 := range []bool{false, true} {
					var fd int
					if fd, errs[i] = handleBy(d.fd, name, openat2); errs[i] == nil {
						_ = unix.Close(fd)
					}
				}
				if !errors.Is(errs[0], errs[1]) {
					t.Errorf("%s: %v without, %v with it", name, errs[0], errs[1])
				}
			}
		})
	}
}

func TestANameStaysInItsDirectory(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	if err := errors.Join(os.Mkdir(below, 0o700), os.WriteFile(filepath.Join(dir, "f"), nil, 0o600), os.Symlink("..", filepath.Join(below, "up"))); err != nil {
		t.Fatal(err)
	}
	d := opened(t, Open, below)
	for _, name := range []string{"", ".", "..", "../f", "up/f", filepath.Join(dir, "f"), "./f", "a//b"} {
		if _, err := d.Read(name, 10); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read %q: %v", name, err)
		}
		if err := d.Write(name, nil, 0o600); err == nil {
			t.Errorf("wrote %q", name)
		}
		if f, err := d.Append(name); err == nil {
			f.Close()
			t.Errorf("appended to %q", name)
		}
	}
	if left, err := os.ReadDir(below); err != nil || len(left) != 1 {
		t.Errorf("there is %v, %v", left, err)
	}
}

func TestTooLargeAFileIsNotRead(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "f"), []byte("12345"), 0o600), os.Truncate(filepath.Join(dir, "f"), 1<<40)); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, Open, dir).Read("f", 4); err == nil || !strings.Contains(err.Error(), "more than 4 bytes") {
		t.Errorf("error %v", err)
	}
	if _, err := ReadNamed(filepath.Join(dir, "f"), 4); err == nil || !strings.Contains(err.Error(), "more than 4 bytes") {
		t.Errorf("error %v", err)
	}
}

func TestAWriteIsWholeAndHasItsModeAndOwner(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	dir := t.TempDir()
	d := opened(t, Open, dir)
	for _, content := range []string{"first", "second"} {
		if err := d.Write("f", []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := d.ReadOwn("f", 100)
		if info, e := os.Stat(filepath.Join(dir, "f")); err != nil || e != nil || string(got) != content || info.Mode() != 0o644 {
			t.Errorf("%q, %v, %v, %v", got, err, info, e)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(dir, plant.Stranger, plant.Stranger); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteFor("g", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := d.Append("log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"g", "log"} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, name), &st); err != nil || st.Uid != plant.Stranger || st.Gid != plant.Stranger {
			t.Errorf("%s is of %d:%d, %v", name, st.Uid, st.Gid, err)
		}
	}
}

func TestDirectoriesThatAreToBeOurs(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(
		os.Mkdir(at("plain"), 0o755), os.Symlink("plain", at("link")), os.Symlink(at("link"), at("link to a link")),
		os.Symlink("loop", at("loop")), os.WriteFile(at("file"), nil, 0o600),
		os.Mkdir(at("open"), 0o700), os.Chmod(at("open"), 0o777), os.Mkdir(at("open/below"), 0o755),
		os.Mkdir(at("sticky"), 0o700), os.Chmod(at("sticky"), 0o777|fs.ModeSticky), os.Mkdir(at("sticky/ours"), 0o755),
	)
	for name, ok := range map[string]bool{
		"plain": true, "link": true, "link to a link": true, "plain/../plain": true, "sticky": true, "sticky/ours": true, "plain/made/deep": true,
		"loop": false, "file": false, "file/below": false, "open": false, "open/below": false,
	} {
		d, err := OpenOrMake(at(name))
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			d.Close()
		}
	}
	if info, err := os.Stat(at("plain/made/deep")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Open(at("missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if d, err := OpenForeign(at("open")); err != nil {
		t.Errorf("a volume that any user can write: %v", err)
	} else {
		d.Close()
	}
	if os.Geteuid() != 0 {
		return
	}
	must(
		os.Symlink(at("plain"), at("another's link")), os.Lchown(at("another's link"), plant.Stranger, plant.Stranger),
		os.Mkdir(at("another's"), 0o755), os.Chown(at("another's"), plant.Stranger, plant.Stranger),
		os.Mkdir(at("sticky/another's"), 0o755), os.Chown(at("sticky/another's"), plant.Stranger, plant.Stranger),
	)
	for name, ok := range map[string]bool{"another's": true, "another's link": false, "sticky/another's": false} {
		d, err := Open(at(name))
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			d.Close()
		} else if fault.HintOf(err) == "" {
			t.Errorf("%s: no hint: %v", name, err)
		}
	}
}

func TestWhatIsNamedMayBeALinkAndNothingElse(t *testing.T) {
	disk := plant.NewDisk(t)
	for _, k := range plant.Kinds(disk) {
		t.Run(k.Name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "f")
			check := k.Put(t, name)
			content, err := ReadNamed(name, 1<<10)
			file := plant.Named(k)
			if file && (err != nil || string(content) != plant.Planted) || !file && err == nil {
				t.Errorf("%q, %v", content, err)
			}
			check()
			disk.Untouched(t)
		})
	}
}

func TestAFileThatHasBeenPutAsideHasLostItsName(t *testing.T) {
	d := opened(t, Open, t.TempDir())
	f, err := d.Append("log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if is, err := d.IsNamed(f, "log"); !is || err != nil {
		t.Errorf("%t, %v", is, err)
	}
	if err := d.Rename("log", "log.1"); err != nil {
		t.Fatal(err)
	}
	if is, err := d.IsNamed(f, "log"); is || err != nil {
		t.Errorf("%t, %v", is, err)
	}
	if err := d.Rename("log.1", "../log"); err == nil {
		t.Error("it left its directory")
	}
	if names, err := d.Names(10); err != nil || len(names) != 1 || names[0] != "log.1" {
		t.Errorf("%v, %v", names, err)
	}
}
