package packages

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"gitlab-dind-executor/test/rig"
)

// debian is a container with dpkg.
type debian struct {
	t  *testing.T
	id string
}

// commandTime bounds a command of docker.
var commandTime = rig.Slower(10 * time.Minute)

func docker(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
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
	// Of the images of the tests, this image is Debian's in any case.
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

// files lists the host's files, except those of dpkg and of the tests themselves.
const files = `find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/lib/dpkg -o -path /var/log \) -prune -o -print | LC_ALL=C sort`

// pretend is a systemctl that notes its calls, for a host with systemd.
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

// repack makes a later version of the package, with the same program and another file of
// settings.
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
	d.says("dpkg -s gitlab-dind-executor", "Maintainer: The maintainers of gitlab-dind-executor <maintainers@gitlab-dind-executor.invalid>", "Description: Docker daemon of its own")
	d.says(`gitlab-dind-executor settings --check /etc/gitlab-runner/dind.toml; gitlab-dind-executor settings --check /usr/share/doc/gitlab-dind-executor/dind.toml`,
		"/etc/gitlab-runner/dind.toml: no fault found", "doc/gitlab-dind-executor/dind.toml: no fault found")
	d.says(`grep _exec\ = /usr/share/doc/gitlab-dind-executor/config.toml.example`, `prepare_exec = "/usr/bin/gitlab-dind-executor"`)
	d.says(`grep -h Exec /usr/lib/systemd/system/gitlab-dind-executor-gc.service`, "ExecStart=/usr/bin/gitlab-dind-executor gc")
	d.says(`zcat /usr/share/man/man1/gitlab-dind-executor-gc.1.gz`, ".TH", "v1.2.0", "sandboxes that no living job owns")
	d.says(`source /usr/share/bash-completion/completions/gitlab-dind-executor; compopt() { :; }
_get_comp_words_by_ref() { cur=dr prev=pool words=(gitlab-dind-executor pool dr) cword=2; } # bash-completion's
COMP_TYPE=9
__start_gitlab-dind-executor gitlab-dind-executor dr pool; echo "completes to ${COMPREPLY[*]}"`, "completes to drain")
	d.says(`test -s /usr/share/zsh/vendor-completions/_gitlab-dind-executor && test -s /usr/share/fish/vendor_completions.d/gitlab-dind-executor.fish && echo there`, "there")

	// The admin's settings outlive an upgrade. An upgrade reports at once settings that the new
	// version refuses.
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
	// A purge removes later files of hooks and timers, too.
	d.sh(`stamps=/var/lib/systemd/timers; mkdir -p /var/log/gitlab-dind-executor $stamps; touch $stamps/stamp-gitlab-dind-executor-prepull.timer $stamps/stamp-other.timer
dpkg -P gitlab-dind-executor; test ! -e /var/log/gitlab-dind-executor; rm $stamps/stamp-other.timer; rmdir -p --ignore-fail-on-non-empty $stamps`)
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
