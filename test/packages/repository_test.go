package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// said runs a program, which must succeed, and returns the output.
func said(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	out, err := says(t, env, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

func says(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// repository is a release's repository, on this machine.
type repository struct {
	dir, url, key string
	keyring       []string // the environment for gpg with the key
}

// newRepository makes a repository of a release, with a new key.
func newRepository(t *testing.T, dist string) repository {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	r := repository{dir: filepath.Join(t.TempDir(), "repository"), keyring: []string{"GNUPGHOME=" + home}}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() // gpg may have started no agent
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	r.url = "file://" + r.dir
	r.key = filepath.Join(home, "signing.key")
	gpg := func(args ...string) string {
		return said(t, r.keyring, "gpg", append([]string{"--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	}
	gpg("--quick-generate-key", "packages of a test", "ed25519", "sign", "never")
	if err := os.WriteFile(r.key, []byte(gpg("--armor", "--export-secret-keys")), 0o600); err != nil {
		t.Fatal(err)
	}
	r.make(t, dist)
	return r
}

// make puts a release into the repository.
func (r repository) make(t *testing.T, dist string, env ...string) {
	t.Helper()
	said(t, append(env, "SIGNING_KEY="+r.key, "REPOSITORY_URL="+r.url), "../../scripts/repository", dist, r.dir)
}

// aptHost is a folder for the lists of apt, as on a host with this repository alone.
type aptHost struct{ root, sources string }

func (r repository) host(t *testing.T) aptHost {
	t.Helper()
	h := aptHost{root: t.TempDir()}
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(h.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.sources = filepath.Join(h.root, "etc/gitlab-dind-executor.sources")
	lines := strings.Replace(read(t, filepath.Join(r.dir, "gitlab-dind-executor.sources")),
		"/etc/apt/keyrings/gitlab-dind-executor.asc", filepath.Join(r.dir, "gitlab-dind-executor.asc"), 1)
	for name, content := range map[string]string{h.sources: lines, filepath.Join(h.root, "state/status"): ""} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// apt calls apt-get there.
func (h aptHost) apt(t *testing.T, args ...string) (string, error) {
	t.Helper()
	state := filepath.Join(h.root, "state")
	cmd := exec.CommandContext(t.Context(), "apt-get", append([]string{
		"-q", "-o", "Dir::Etc::sourcelist=" + h.sources, "-o", "Dir::Etc::sourceparts=-", "-o", "Dir::State=" + state,
		"-o", "Dir::State::status=" + state + "/status", "-o", "Dir::Cache=" + h.root + "/cache", "-o", "APT::Sandbox::User=root",
		"-o", "APT::Architecture=" + runtime.GOARCH, "-o", "APT::Architectures::=" + runtime.GOARCH, "-o", "APT::Update::Error-Mode=any",
	}, args...)...)
	cmd.Dir = h.root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// deb returns the package from the repository, by apt.
func (r repository) deb(t *testing.T) string {
	t.Helper()
	h := r.host(t)
	for _, args := range [][]string{{"update"}, {"download", "gitlab-dind-executor"}} {
		if out, err := h.apt(t, args...); err != nil {
			t.Fatalf("apt-get %q: %v\n%s", args, err, out)
		}
	}
	return only(t, filepath.Join(h.root, "*.deb"))
}

// refused changes the list of packages, and apt must refuse the list.
func (r repository) refused(t *testing.T) {
	t.Helper()
	release := filepath.Join(r.dir, "apt/dists/stable/InRelease")
	if err := os.WriteFile(release, bytes.Replace([]byte(read(t, release)), []byte("Suite: stable"), []byte("Suite: stab1e"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := r.host(t).apt(t, "update"); err == nil || !strings.Contains(out, "InRelease") {
		t.Errorf("apt takes what another has changed: %v\n%s", err, out)
	}
}

// forDnf checks the lines for a host, the list of packages and the signature.
func (r repository) forDnf(t *testing.T) {
	t.Helper()
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	index := filepath.Join(r.dir, "rpm", arch, "repodata")
	said(t, r.keyring, "gpg", "--verify", index+"/repomd.xml.asc", index+"/repomd.xml")
	list := said(t, nil, "zcat", only(t, index+"/*-primary.xml.gz"))
	for _, part := range []string{"<name>gitlab-dind-executor</name>", `ver="1.2.0"`, "<packager>", "maintainers@gitlab-dind-executor.invalid"} {
		if !strings.Contains(list, part) {
			t.Errorf("the list of packages for dnf lacks %s", part)
		}
	}
	if lines := read(t, filepath.Join(r.dir, "gitlab-dind-executor.repo")); !strings.Contains(lines, "baseurl="+r.url+"/rpm/$basearch\n") || !strings.Contains(lines, "repo_gpgcheck=1\n") {
		t.Errorf("the lines for dnf are\n%s", lines)
	}
}

// aPackage makes a folder with a package of a version.
func aPackage(t *testing.T, version string) (dist string) {
	t.Helper()
	dist = t.TempDir()
	tree := filepath.Join(t.TempDir(), "tree")
	if err := os.MkdirAll(tree+"/DEBIAN", 0o755); err != nil {
		t.Fatal(err)
	}
	control := "Package: gitlab-dind-executor\nVersion: " + version + "\nArchitecture: amd64\nMaintainer: A <a@example.com>\nDescription: of a test\n"
	if err := os.WriteFile(tree+"/DEBIAN/control", []byte(control), 0o600); err != nil {
		t.Fatal(err)
	}
	said(t, nil, "dpkg-deb", "--root-owner-group", "-b", tree, dist+"/a_"+version+"_amd64.deb")
	return dist
}

// Hosts may be asked to go back to a release of before, so no release gets lost.
func TestARepositoryKeepsItsReleases(t *testing.T) {
	r := newRepository(t, aPackage(t, "1"))
	list := filepath.Join(r.dir, "apt/dists/stable/main/binary-amd64/Packages")
	has := func(versions ...string) {
		t.Helper()
		for _, v := range versions {
			if !strings.Contains(read(t, list), "\nVersion: "+v+"\n") {
				t.Errorf("release %s is not in the list:\n%s", v, read(t, list))
			}
		}
	}
	// Not every file system has hard links.
	tools := t.TempDir()
	for name, script := range map[string]string{"ln": "exit 1", "cp": `case $1 in -pl) exit 1 ;; esac; exec /bin/cp "$@"`} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.make(t, aPackage(t, "2"), "PATH="+tools+":"+os.Getenv("PATH"))
	has("1", "2")
	// A run may have been interrupted between its two last moves.
	if err := os.Rename(r.dir, r.dir+".old"); err != nil {
		t.Fatal(err)
	}
	r.make(t, aPackage(t, "3"))
	has("1", "2", "3")
	// A key that cannot sign is refused before anything is written.
	public := filepath.Join(t.TempDir(), "public.asc")
	if err := os.WriteFile(public, []byte(said(t, r.keyring, "gpg", "--armor", "--export")), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "repository")
	out, err := says(t, []string{"SIGNING_KEY=" + public}, "../../scripts/repository", t.TempDir(), other)
	if _, there := os.Stat(other); err == nil || !os.IsNotExist(there) ||
		out != "error: SIGNING_KEY has no secret key\nhint: write it by gpg --armor --export-secret-keys\n" {
		t.Errorf("%v, %v\n%s", err, there, out)
	}
}
