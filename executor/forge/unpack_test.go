package forge

import (
	"archive/tar"
	"archive/zip"
	"context"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/fault"
)

// entry is an entry of an archive made by a job.
type entry struct {
	name, content string
	mode          fs.FileMode
}

// holding makes a server with an empty archive file for job 7.
func holding(t *testing.T) (*Server, *os.File) {
	t.Helper()
	s := &Server{dir: t.TempDir()}
	f, err := os.Create(s.archive(7))
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

// archived makes a server with a zip of these entries.
func archived(t *testing.T, entries []entry) *Server {
	t.Helper()
	s, f := holding(t)
	defer f.Close()
	w := zip.NewWriter(f)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		to, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write([]byte(e.content)); err != nil && e.content != "" {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// tarred makes a server with a tar of these entries.
func tarred(t *testing.T, entries []entry) *Server {
	t.Helper()
	s, f := holding(t)
	defer f.Close()
	w := tar.NewWriter(f)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: int64(e.mode.Perm()), Size: int64(len(e.content)), Typeflag: tar.TypeReg}
		for bits, kind := range map[fs.FileMode]byte{
			fs.ModeDir: tar.TypeDir, fs.ModeSymlink: tar.TypeSymlink, fs.ModeIrregular: tar.TypeLink,
			fs.ModeDevice: tar.TypeBlock, fs.ModeDevice | fs.ModeCharDevice: tar.TypeChar, fs.ModeNamedPipe: tar.TypeFifo,
		} {
			if e.mode.Type() == bits {
				h.Typeflag, h.Linkname, h.Size = kind, e.content, 0
			}
		}
		if e.mode&fs.ModeSetuid != 0 {
			h.Mode |= 0o7000
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(e.content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// A job controls its archive. Unpack writes only plain files, and only below the folder.
func TestArtifactsOfAHostileJobStayInTheirFolder(t *testing.T) {
	outside := t.TempDir()
	for name, c := range map[string]struct {
		entries []entry
		want    string // the files, with their modes
		left    int
		// only is the kind of archive that can hold the entries; "" for both.
		only string
	}{
		"plain files": {[]entry{{"a", "1", 0o644}, {"dir/", "", fs.ModeDir | 0o700}, {"dir/b", "2", 0o755}, {"deep/er/c", "3", 0o600}}, "a=1 deep/er/c=3 dir/b=2*", 0, ""},
		"a path that leads out": {
			[]entry{{"../out", "x", 0o644}, {"a/../../out", "x", 0o644}, {outside + "/out", "x", 0o644}, {"..", "x", 0o644}, {"b/../ok", "y", 0o644}}, "ok=y", 4, "",
		},
		"a link that leads out, and a file below it": {[]entry{{"l", outside, fs.ModeSymlink | 0o777}, {"l/out", "x", 0o644}}, "l/out=x", 1, ""},
		"a file in the place of a folder":            {[]entry{{"a", "1", 0o644}, {"a/b", "2", 0o644}, {"c/d", "3", 0o644}, {"c", "4", 0o644}}, "a=1 c/d=3", 2, ""},
		"the same file twice":                        {[]entry{{"a", "1", 0o644}, {"a", "2", 0o644}, {"./a", "3", 0o644}}, "a=1", 2, ""},
		"devices, pipes and sockets": {
			[]entry{{"d", "", fs.ModeDevice | 0o666}, {"c", "", fs.ModeDevice | fs.ModeCharDevice | 0o666}, {"p", "", fs.ModeNamedPipe | 0o666}, {"s", "", fs.ModeSocket | 0o666}}, "", 4, "zip",
		},
		"a hard link to what is outside": {[]entry{{"h", "/etc/passwd", fs.ModeIrregular | 0o644}, {"a", "1", 0o644}}, "a=1", 1, "tar"},
		"rights that are too many":       {[]entry{{"a", "1", fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky | 0o777}}, "a=1*", 0, ""},
		"names of another system":        {[]entry{{`..\out`, "x", 0o644}, {"C:\\x", "x", 0o644}, {"a\x00b", "x", 0o644}}, "", 3, "zip"},
		"a name that is too long":        {[]entry{{strings.Repeat("a", 300), "x", 0o644}, {"b", "y", 0o644}}, "b=y", 1, ""},
		"an empty name, and one of dots": {[]entry{{"", "x", 0o644}, {".", "x", 0o644}, {"b", "y", 0o644}}, "b=y", 2, "zip"},
	} {
		for kind, pack := range map[string]func(*testing.T, []entry) *Server{"zip": archived, "tar": tarred} {
			if c.only != "" && c.only != kind {
				continue
			}
			t.Run(name+", "+kind, func(t *testing.T) { unpacks(t, pack(t, c.entries), outside, c.want, c.left) })
		}
	}
}

// unpacks unpacks an archive and checks the resulting files.
func unpacks(t *testing.T, s *Server, outside, want string, leaves int) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	left, err := s.Unpack(t.Context(), 7, root)
	if err != nil || left != leaves {
		t.Errorf("left out are %d, want %d (%v)", left, leaves, err)
	}
	var got []string
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Mode()&^fs.ModePerm != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		mark := ""
		if info.Mode()&0o100 != 0 {
			mark = "*"
		}
		got = append(got, name+"="+string(text)+mark)
		return err
	})
	slices.Sort(got)
	if text := strings.Join(got, " "); text != want || err != nil {
		t.Errorf("%s, want %s (%v)", text, want, err)
	}
	if there, err := os.ReadDir(outside); err != nil || len(there) > 0 {
		t.Errorf("outside is %v (%v)", there, err)
	}
	if there, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(there) > 2 {
		t.Errorf("beside it is %v (%v)", there, err)
	}
}

func TestAnArchiveThatIsNoneIsTheJobsFault(t *testing.T) {
	good := archived(t, []entry{{"a", strings.Repeat("x", 1000), 0o644}})
	text, err := os.ReadFile(good.archive(7))
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(text)
	damaged[40] ^= 0xff
	var many []entry
	for range 600 {
		many = append(many, entry{strings.Repeat("n", 60000), "", 0o644})
	}
	long, err := os.ReadFile(archived(t, many).archive(7))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"no archive": []byte("none"), "half of one": text[:len(text)/2], "damaged": damaged, "one with too long a list": long} {
		s := &Server{dir: t.TempDir()}
		if err := os.WriteFile(s.archive(7), content, 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if _, err := s.Unpack(t.Context(), 7, root); !fault.IsOfJob(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	u := &unpacking{ctx: t.Context(), seen: maxEntries}
	if err := u.entry("a", 0o644, nil); !fault.IsOfJob(err) || !strings.Contains(err.Error(), "files and folders") {
		t.Errorf("too many entries: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := good.Unpack(ctx, 7, root); err == nil {
		t.Error("it goes on after an interruption")
	}
}

// Each entry may name folders of its own, thousands of them.
func TestFoldersOfArtifactsCount(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	u := &unpacking{ctx: t.Context(), to: root, seen: maxEntries - 20, made: map[uint64]bool{}}
	u.seed = maphash.MakeSeed()
	for range 3 { // existing folders count once
		if err := u.entry("a/b/c/", fs.ModeDir|0o755, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.entry(strings.Repeat("d/", 20), fs.ModeDir|0o755, nil); !fault.IsOfJob(err) {
		t.Errorf("too many folders: %v", err)
	}
	u.seen = 0
	if err := u.entry(strings.Repeat("e/", maxPath), fs.ModeDir|0o755, nil); err != nil || u.left != 1 {
		t.Errorf("a path that is too long: %v", err)
	}
}
