package packages

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// epoch is the commit time of these tests' releases, in seconds since 1970.
const epoch = "1767225600" // 2026-01-01

// release builds a release for this machine from the sources in a folder.
func release(t *testing.T, sources, version string) (dist string) {
	t.Helper()
	dist = t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(sources, "scripts/release"), runtime.GOARCH)
	cmd.Env = append(os.Environ(), "DIST="+dist, "VERSION="+version, "SOURCE_DATE_EPOCH="+epoch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dist
}

// copied copies the sources to another folder, without git.
func copied(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "another folder")
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel("../..", path)
		if err != nil {
			return err
		}
		switch {
		case name == ".git" || name == "bin" || name == "dist":
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, info.Mode().Perm()&^0o077) // another umask
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// Whoever installs a package can ask whose it is.
func TestPackagesNameTheirMaintainer(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"an address alone":     {[]string{"PACKAGE_MAINTAINER=me@example.com"}, "PACKAGE_MAINTAINER is no name with an address"},
		"a second field":       {[]string{"PACKAGE_MAINTAINER=A <a@example.com>\nDepends: x"}, "PACKAGE_MAINTAINER is no name with an address"},
		"a page without TLS":   {[]string{"PACKAGE_HOMEPAGE=http://example.com"}, "PACKAGE_HOMEPAGE is no address"},
		"a page and something": {[]string{"PACKAGE_HOMEPAGE=https://example.com x"}, "PACKAGE_HOMEPAGE is no address"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := says(t, append(c.env, "DIST="+t.TempDir(), "VERSION=v1", "SOURCE_DATE_EPOCH="+epoch), "../../scripts/release", runtime.GOARCH)
			if err == nil || !strings.Contains(out, c.want) || !strings.Contains(out, "hint: ") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func only(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: found %q, %v", pattern, found, err)
	}
	return found[0]
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReleases(t *testing.T) {
	here := release(t, "../..", "v1.2.0")
	t.Run("are the same from any folder", func(t *testing.T) {
		there := release(t, copied(t), "v1.2.0")
		sums := read(t, filepath.Join(here, "SHA256SUMS"))
		if again := read(t, filepath.Join(there, "SHA256SUMS")); again != sums || strings.Count(sums, "\n") != 4 {
			t.Errorf("two builds of the same sources:\n%s\n%s", sums, again)
		}
	})
	t.Run("are static", func(t *testing.T) {
		f, err := elf.Open(only(t, here+"/gitlab-dind-executor-linux-"+runtime.GOARCH))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("the binary needs a loader: %v", p.Type)
			}
		}
	})
	t.Run("say what they are made of", func(t *testing.T) {
		list := read(t, only(t, here+"/*.cdx.json"))
		for _, part := range []string{`"bomFormat": "CycloneDX"`, `"version": "v1.2.0"`, `"purl": "pkg:golang/github.com/spf13/cobra@v`, `"purl": "pkg:golang/std@`} {
			if !strings.Contains(list, part) {
				t.Errorf("the list of parts lacks %s", part)
			}
		}
	})
	t.Run("have an rpm", func(t *testing.T) {
		if b := read(t, only(t, here+"/*-1.2.0-1.*.rpm")); !strings.HasPrefix(b, "\xed\xab\xee\xdb") {
			t.Error("the rpm does not begin as one")
		}
	})
	t.Run("are installed from a repository and used and upgraded and removed", func(t *testing.T) {
		r := newRepository(t, here)
		r.make(t, here) // as for the next release
		r.forDnf(t)
		deb := r.deb(t)
		if read(t, deb) != read(t, only(t, here+"/*_1.2.0-1_*.deb")) {
			t.Error("apt gets another package than was built")
		}
		installed(t, deb)
		r.refused(t)
	})
}

// make uninstall removes everything that make install copied, except settings.
func TestInstallAndUninstall(t *testing.T) {
	root, share := t.TempDir(), t.TempDir()
	program := filepath.Join(share, "gitlab-dind-executor")
	for name, content := range map[string]string{"gitlab-dind-executor": "#!/bin/sh\n", "man1/a.1": "a", "completions/bash": "b", "completions/zsh": "z", "completions/fish": "f"} {
		file := filepath.Join(share, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "../../scripts/install", args...)
		cmd.Env = append(os.Environ(), "DESTDIR="+root, "PREFIX=/opt/x", "BINARY="+program, "SHARE="+share)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	own := filepath.Join(root, "etc/gitlab-runner")
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	run()
	if info, err := os.Stat(own); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder that was there: %v, %v", info, err)
	}
	settings := filepath.Join(own, "dind.toml")
	if err := os.WriteFile(settings, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run()
	if read(t, settings) != "# mine\n" {
		t.Error("a second install has replaced the settings")
	}
	if unit := read(t, filepath.Join(root, "opt/x/lib/systemd/system/gitlab-dind-executor-gc.service")); !strings.Contains(unit, "ExecStart=/opt/x/bin/gitlab-dind-executor gc") {
		t.Errorf("the unit starts another program:\n%s", unit)
	}
	if info, err := os.Stat(filepath.Join(root, "opt/x/bin/gitlab-dind-executor")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the program: %v, %v", info, err)
	}
	if said := run("uninstall"); !strings.Contains(said, "kept: "+settings) {
		t.Errorf("it says %q", said)
	}
	var left []string
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			left = append(left, path)
		}
		return nil
	})
	if len(left) != 1 || left[0] != settings {
		t.Errorf("left: %q", left)
	}
}
