//go:build host

package host

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestDebian13(t *testing.T)    { wholeHost(t, "trixie") }
func TestDebianForky(t *testing.T) { wholeHost(t, "forky") }

// ready is the name of the machine's state after cloud-init and after a project's first job.
const ready = "ready"

// wholeHost boots a machine once. Each of the items then begins from the machine's state after
// cloud-init and the first job.
func wholeHost(t *testing.T, suite string) {
	t.Parallel() // an emulated machine leaves a third of two processors idle
	h := boot(t, suite)
	if !h.saved {
		for _, begin := range []struct {
			name string
			run  func(host)
		}{{"cloud-init", cloudInit}, {"first job", first}} {
			if !t.Run(begin.name, func(t *testing.T) { begin.run(h.on(t)) }) {
				return
			}
		}
		h.run("sync")
		if err := h.m.Save(t.Context(), ready); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.m.file(ready), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, item := range []struct {
		name string
		run  func(host)
		// one is the release whose machine alone has the item if machines are emulated. Neither
		// the kernel nor the engine of the host matters to the item. "" stands for all releases.
		one string
	}{
		{"units", units, ""},
		{"jobs", jobs, ""},
		{"memory", memory, ""},
		{"rootless", rootless, ""},
		{"firewall", firewall, ""},
		{"metrics", metrics, ""},
		{"timers", timers, ""},
		{"reset", reset, ""},
		{"restarts", restarts, ""},
		{"full disk", fullDisk, "forky"}, // the same daemon, in the sidecar, has no space left
		{"drain", drain, "forky"},
		{"ansible", ansible, ""},
		{"package", packageLife, "trixie"},
	} {
		if h.brief && item.one != "" && item.one != suite {
			continue
		}
		t.Run(item.name, func(t *testing.T) {
			h := h.on(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			if err := h.m.Restore(ctx, ready); err != nil {
				t.Fatal(err)
			}
			// Another run has another GitLab. Ten requests a second would take a tenth of an
			// emulated processor.
			h.run(fmt.Sprintf(`sed -i -e '1i check_interval = 2' -e '/^check_interval/d' -e 's|^ *url = .*|  url = "%s"|' -e 's|^ *token = .*|  token = "%s"|' /etc/gitlab-runner/config.toml`, inside(h.api.URL), h.api.Token))
			item.run(h)
		})
	}
}

// cloudInit waits for the end of the first boot. The whole file for cloud-init must have gone
// well.
func cloudInit(h host) {
	ctx, cancel := context.WithTimeout(h.Context(), h.bound(3*time.Minute))
	defer cancel()
	out, err := h.m.Run(ctx, `until [[ -e /run/cloud-init/result.json ]]; do sleep 1; done; cloud-init status --long`)
	if err != nil || !strings.Contains(out, "status: done") {
		log, _ := h.try(`tail -n 40 /var/log/cloud-init-output.log`)
		h.Fatalf("%v: %s\n%s", err, out, log)
	}
	h.says(`systemctl is-active docker gitlab-runner gitlab-dind-executor-gc.timer gitlab-dind-executor-prepull.timer gitlab-dind-executor-metrics.service gitlab-dind-executor-pool.socket gitlab-dind-executor-drain.service`,
		"active\nactive\nactive\nactive\nactive\nactive\nactive")
	h.says(`systemctl --failed --no-pager; findmnt -no SOURCE /var/lib/docker`, "0 loaded units", "/dev/vdb")
	h.Log(h.says(`docker info; docker images`, "Cgroup Version: 2", "Cgroup Driver: systemd", "apparmor"))
	h.Log(h.says(`grep -E "^(ok|warning|error) " /var/log/cloud-init-output.log`, "(privileged) up in"))
	h.run(`systemctl stop gitlab-runner`)
}
