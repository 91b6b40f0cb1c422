//go:build host

package host

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"gitlab-dind-executor/executor/local"
)

// drain tests a host that the cloud takes away in a job. The unit stops the Runner, the job
// ends as usual, and no other job comes.
func drain(h host) {
	var taken atomic.Bool
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		says := map[string]string{
			"/latest/api/token": "a-token", "/latest/meta-data/instance-id": "i-0123456789abcdef0",
			"/latest/meta-data/autoscaling/target-lifecycle-state": "InService",
		}
		if taken.Load() {
			says["/latest/meta-data/autoscaling/target-lifecycle-state"] = "Terminated"
		}
		said, known := says[r.URL.Path]
		if !known {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, said)
	}))
	h.Cleanup(cloud.Close)
	const unit = "gitlab-dind-executor-drain.service"
	h.run(`mkdir -p /etc/systemd/system/` + unit + `.d
		printf '[Service]\nEnvironment=GITLAB_DIND_EXECUTOR_METADATA=` + inside(cloud.URL) + `\n' >/etc/systemd/system/` + unit + `.d/test.conf
		systemctl daemon-reload; systemctl start gitlab-runner; systemctl restart ` + unit)
	h.until(h.bound(time.Minute), `journalctl -u `+unit+` -o cat | grep 'AWS is asked every'`)
	j := h.offer(nil, `echo deep in the job; while [ ! -e /tmp/go-on ]; do sleep 0.5; done`)
	j.saying("\ndeep in the job\n")
	taken.Store(true)
	h.until(h.bound(time.Minute), `journalctl -u `+unit+` -o cat | grep 'waiting for job'`)
	h.says(`systemctl is-active gitlab-runner || true`, "deactivating")
	h.run(`docker exec dind-` + j.sandbox() + `-job touch /tmp/go-on`)
	j.ends(succeeded)
	h.until(h.bound(time.Minute), `state=$(systemctl show -P ActiveState `+unit+`); echo "$state"; [[ $state == inactive ]]`)
	h.says(`systemctl show -P Result `+unit, "success")
	h.until(h.bound(time.Minute), `state=$(systemctl is-active gitlab-runner || true); echo "$state"; [[ $state == inactive ]]`)
	h.says(`journalctl -u `+unit+` -o cat`, "AWS takes this host away: the autoscaling group ends it", "no job is left")
}

// ansible tests the role on a host of cloud-init. The role changes only the differences, and a
// second run finds nothing to change. A job then runs by the settings of the role.
func ansible(h host) {
	address, port, err := net.SplitHostPort(h.m.ssh)
	if err != nil {
		h.Fatal(err)
	}
	dir := h.TempDir()
	settings := "[limits.sidecar]\ncpus = 1\n" + patient + "[pool]\nsize = 1\n"
	inventory := fmt.Sprintf(`dind:
  hosts:
    machine: {ansible_host: %q, ansible_port: %s, ansible_user: root, ansible_ssh_private_key_file: %q}
  vars:
    ansible_ssh_common_args: -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
    ansible_python_interpreter: /usr/bin/python3
    dind_gitlab_url: %q
    dind_token: %q
    dind_concurrent: 3
    dind_update_cache: false
    dind_runner_package: %s/gitlab-runner_amd64.deb
    dind_package: %s/gitlab-dind-executor_amd64.deb
    dind_settings: |
      %s
`, address, port, filepath.Join(h.place, "key"), inside(h.api.URL), h.api.Token, h.served, h.served, strings.ReplaceAll(strings.TrimSpace(settings), "\n", "\n      "))
	if err := os.WriteFile(filepath.Join(dir, "hosts.yml"), []byte(inventory), 0o600); err != nil {
		h.Fatal(err)
	}
	play := func(more ...string) string {
		h.Helper()
		ctx, cancel := context.WithTimeout(h.Context(), h.bound(5*time.Minute))
		defer cancel()
		cmd := exec.CommandContext(ctx, "ansible-playbook", append([]string{"-i", filepath.Join(dir, "hosts.yml"), "site.yml"}, more...)...)
		cmd.Dir = "../../scripts/ansible"
		cmd.Env = append(os.Environ(), "ANSIBLE_PIPELINING=1") // fewer programs for each task
		out, err := cmd.CombinedOutput()
		if err != nil {
			h.Fatalf("ansible-playbook: %v\n%s", err, out)
		}
		return string(out)
	}
	thrice := !h.brief || h.suite == "trixie" // a run takes minutes on an emulated machine
	if thrice {
		before := h.run(`sha256sum /etc/gitlab-runner/dind.toml`)
		if said := play("--check", "--diff"); h.run(`sha256sum /etc/gitlab-runner/dind.toml`) != before || !strings.Contains(said, "changed=") {
			h.Errorf("--check has changed the settings:\n%s", said)
		}
	}
	h.Log(play())
	if thrice {
		if said := play("-e", "dind_doctor=false"); !strings.Contains(said, "changed=0 ") {
			h.Errorf("a second run changes something:\n%s", said)
		}
	}
	h.says(`cat /etc/gitlab-runner/dind.toml; grep ^concurrent /etc/gitlab-runner/config.toml; ls /etc/gitlab-runner`, "cpus = 1", "concurrent = 3", "dind.toml")
	h.offer(func(p *local.Payload) { p.Services = nil }, `docker version -f up`).ends(succeeded)
}
