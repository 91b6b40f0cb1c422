package packages

import (
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"gitlab-dind-executor/test/rig"
)

// epoch is the commit's time that the releases of these tests have.
const epoch = "1767225600" // 2026-01-01

// release builds one for this machine from the sources in a folder.
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
	t.Run("are installed, used, upgraded and removed", func(t *testing.T) {
		installed(t, only(t, here+"/*_1.2.0-1_*.deb"))
	})
}

// debian is a container with dpkg.
type debian struct {
	t  *testing.T
	id string
}

func docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func newDebian(t *testing.T) debian {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	if err := rig.Require(t.Context(), cli, rig.ImagePostgres); err != nil {
		t.Fatal(err)
	}
	rig.Unchanged(t, cli)
	// Of the images of the tests it is one that is Debian's in any case.
	id, err := docker(t.Context(), "run", "-d", "--network=none", "--user=0", "--entrypoint=sleep", "--tmpfs=/var/lib/postgresql", rig.ImagePostgres, "infinity")
	if err != nil {
		t.Fatalf("%v: %s", err, id)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := docker(ctx, "rm", "-fv", id); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return debian{t, id}
}

// sh runs commands, which must succeed.
func (d debian) sh(script string) string {
	d.t.Helper()
	out, err := docker(d.t.Context(), "exec", d.id, "bash", "-euc", script)
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

func (d debian) says(script string, parts ...string) {
	d.t.Helper()
	out := d.sh(script)
	for _, part := range parts {
		if !strings.Contains(out, part) {
			d.t.Errorf("%s says\n%s\nwithout %q", script, out, part)
		}
	}
}

// files are all but what dpkg and the tests themselves write.
const files = `find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/lib/dpkg -o -path /var/log \) -prune -o -print | LC_ALL=C sort`

// pretend is a systemctl that notes its calls, for a host that runs systemd.
const pretend = `rm -f /etc/dpkg/dpkg.cfg.d/* # images leave manual pages out
mkdir -p /run/systemd/system /etc/systemd/system/timers.target.wants
cat >/usr/local/bin/systemctl <<'EOF'
#!/bin/sh
echo "$*" >>/tmp/systemctl
link=/etc/systemd/system/timers.target.wants/$2
case $1 in
enable) ln -s "/usr/lib/systemd/system/$2" "$link" ;;
disable) rm "$link" ;;
is-enabled) [ -h "/etc/systemd/system/timers.target.wants/$3" ] ;;
esac
EOF
chmod 755 /usr/local/bin/systemctl`

// repack makes a next version of the package, with the same program and another
// file of settings.
const repack = `dpkg-deb -R /tmp/a.deb /tmp/b
sed -i 's/^Version: .*/Version: 1.2.1-1/' /tmp/b/DEBIAN/control
sed -i '1s/^/# of the next version\n/' /tmp/b/etc/gitlab-runner/dind.toml
dpkg-deb -Zgzip -z1 --root-owner-group -b /tmp/b /tmp/b.deb`

func installed(t *testing.T, deb string) {
	d := newDebian(t)
	if out, err := docker(t.Context(), "cp", deb, d.id+":/tmp/a.deb"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.sh(pretend + "\n" + repack)
	before := d.sh(files)

	d.says(`dpkg -i /tmp/a.deb; cat /tmp/systemctl; rm /tmp/systemctl`,
		"enable gitlab-dind-executor-gc.timer\ndaemon-reload\nstart gitlab-dind-executor-gc.timer")
	d.says(`gitlab-dind-executor --version`, "version v1.2.0")
	d.says(`gitlab-dind-executor settings --check /etc/gitlab-runner/dind.toml; gitlab-dind-executor settings --check /usr/share/doc/gitlab-dind-executor/dind.toml`,
		"/etc/gitlab-runner/dind.toml: no fault found", "doc/gitlab-dind-executor/dind.toml: no fault found")
	d.says(`grep _exec\ = /usr/share/doc/gitlab-dind-executor/config.toml.example`, `prepare_exec = "/usr/bin/gitlab-dind-executor"`)
	d.says(`grep -h Exec /usr/lib/systemd/system/gitlab-dind-executor-gc.service`, "ExecStart=/usr/bin/gitlab-dind-executor gc")
	d.says(`zcat /usr/share/man/man1/gitlab-dind-executor-gc.1.gz`, ".TH", "v1.2.0", "what no living job owns")
	d.says(`source /usr/share/bash-completion/completions/gitlab-dind-executor; compopt() { :; }
_get_comp_words_by_ref() { cur=dr prev=pool words=(gitlab-dind-executor pool dr) cword=2; } # bash-completion's
COMP_TYPE=9
__start_gitlab-dind-executor gitlab-dind-executor dr pool; echo "completes to ${COMPREPLY[*]}"`, "completes to drain")
	d.says(`test -s /usr/share/zsh/vendor-completions/_gitlab-dind-executor && test -s /usr/share/fish/vendor_completions.d/gitlab-dind-executor.fish && echo there`, "there")

	// What an admin has set outlives an upgrade, and what a release would refuse is
	// told at once.
	d.sh(`printf '[pool]\nsize = 3\n' >/etc/gitlab-runner/dind.toml; : >/tmp/systemctl`)
	d.says(`dpkg --force-confold -i /tmp/b.deb </dev/null; cat /tmp/systemctl`, "daemon-reload\nis-enabled --quiet gitlab-dind-executor-gc.timer\nstart gitlab-dind-executor-gc.timer\ntry-restart")
	d.says(`dpkg-query -W gitlab-dind-executor; cat /etc/gitlab-runner/dind.toml`, "1.2.1-1", "size = 3")
	if calls := d.sh(`cat /tmp/systemctl`); strings.HasPrefix(calls, "enable") || strings.Contains(calls, "\nenable") || strings.Contains(calls, "stop") {
		t.Errorf("an upgrade calls systemctl %s", calls)
	}
	d.sh(`echo 'nonsense = 1' >>/etc/gitlab-runner/dind.toml`)
	d.says(`dpkg --force-confold -i /tmp/b.deb </dev/null 2>&1`, "dind.toml:3: pool.nonsense: unknown key", "warning: jobs fail until /etc/gitlab-runner/dind.toml is mended")

	d.says(`: >/tmp/systemctl; dpkg -r gitlab-dind-executor; cat /tmp/systemctl /etc/gitlab-runner/dind.toml`,
		"stop gitlab-dind-executor-*", "size = 3")
	d.sh(`dpkg -P gitlab-dind-executor`)
	if after := d.sh(files); after != before {
		t.Errorf("installing and removing has changed what is there:\n%s", changed(before, after))
	}
}

func changed(before, after string) string {
	had := map[string]bool{}
	for line := range strings.Lines(before + "\n") {
		had[line] = true
	}
	var b strings.Builder
	for line := range strings.Lines(after + "\n") {
		if !had[line] {
			fmt.Fprintf(&b, "+%s", line)
		}
		delete(had, line)
	}
	for line := range had {
		fmt.Fprintf(&b, "-%s", line)
	}
	return b.String()
}

// What make install copies, make uninstall takes away again, but for settings.
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
	run()
	settings := filepath.Join(root, "etc/gitlab-runner/dind.toml")
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
