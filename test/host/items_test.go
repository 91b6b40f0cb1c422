//go:build host

package host

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/executor/local"
)

// buildScript builds a Dockerfile without a registry. The image's program is that of the job's
// own image.
const buildScript = `mkdir c && cp /bin/busybox c/ && printf 'FROM scratch\nCOPY busybox /bin/\nRUN ["/bin/busybox","mkdir","/made"]\n' >c/Dockerfile && docker build --progress=plain -t app c`

// importScript makes an image without a builder, because a builder takes half a minute on an
// emulated machine.
const importScript = `tar c -C / bin/busybox | docker import - app`

// units tests the units. systemd accepts them without a warning and finds them hardened. Units
// that are enabled from the start run.
func units(h host) {
	out := h.run(`cd /usr/lib/systemd/system; systemd-analyze verify --man=no gitlab-dind-executor-* 2>&1`)
	if out != "" {
		h.Errorf("systemd-analyze verify says\n%s", out)
	}
	// 0 is safe, 10 is not. A unit without any hardening has 9.6.
	h.Log(h.run(`for u in drain gc metrics pool pool@x prepull seed; do systemd-analyze security --no-pager --threshold=35 gitlab-dind-executor-$u.service | tail -n 1; done`))
}

// first runs a project's first job, which goes cold. Behind the job a sandbox waits with its
// layers, for the next item.
func first(h host) {
	h.run(`systemctl start gitlab-runner`)
	h.wrote(h.offer(nil, buildScript, `docker run --rm app /bin/busybox ls -d /made`).ends(succeeded),
		"(new daemon", "\n/made\n", "Docker daemon: new, up in")
	h.until(h.bound(2*time.Minute), `gitlab-dind-executor status; gitlab-dind-executor status | grep -qx 'pool *1 of 1 wait'`)
	h.run(`systemctl stop gitlab-runner`)
	h.until(h.bound(2*time.Minute), `! systemctl list-units --no-legend 'gitlab-dind-executor-pool@*' | grep . && ! pgrep -f 'gitlab-dind-executor (gc|settle)'`)
}

// jobs runs two jobs. The first takes the waiting sandbox, with the layers of the job before.
// The second, of another kind, goes cold. Nothing of them is left.
func jobs(h host) {
	h.run(`systemctl start gitlab-runner`)
	h.wrote(h.offer(nil, buildScript, `grep -H . /proc/self/attr/current`).ends(succeeded),
		"(from the pool)", "CACHED", "docker-default (enforce)", "Docker daemon: from the pool, layers reused")
	h.wrote(h.offer(func(p *local.Payload) {
		p.Services = []local.Image{{Name: "docker:dind", Command: []string{"--debug"}}}
	}, `docker info -f 'driver {{.Driver}} cgroup {{.CgroupVersion}} {{.CgroupDriver}}'`).ends(succeeded),
		"(new daemon", "driver overlay2 cgroup 2 ")
	h.nothingLeft("")
}

// nothingLeft waits until the engine has no object of a sandbox any more. "" stands for all
// objects of jobs.
func (h host) nothingLeft(sandbox string) {
	h.Helper()
	filter := "label=gitlab-dind-executor.job"
	if sandbox != "" {
		filter = "label=gitlab-dind-executor.sandbox=" + sandbox
	}
	h.until(h.bound(2*time.Minute), `left=$(docker ps -aq --filter `+filter+`; docker network ls -q --filter `+filter+`; docker volume ls -q --filter `+filter+`); echo "left: $left"; [[ ! $left ]]`)
}

// sandbox is the job's sandbox according to its log.
func (j running) sandbox() string {
	j.h.Helper()
	log, _ := j.Trace()
	m := regexp.MustCompile(`Running on dind-([0-9a-f]{12})`).FindStringSubmatch(plain(log))
	if m == nil {
		j.h.Fatal("the job log names no sandbox")
	}
	return m[1]
}

// settings appends further settings to those of the file for cloud-init.
func (h host) settings(more string) {
	h.run("cat >>/etc/gitlab-runner/dind.toml <<'END'\n" + more + "\nEND\ngitlab-dind-executor settings --check /etc/gitlab-runner/dind.toml")
}

// memory tests limits of memory, which hold with cgroup v2. The job log names the victim: the
// script, a service, a build.
func memory(h host) {
	h.run(`sed -i 's/memory = "2250m"/memory = "512m"/' /etc/gitlab-runner/dind.toml`)
	h.settings("[limits.job]\nmemory = \"64m\"\npids = 200\n[limits.services]\nmemory = \"32m\"\n")
	h.run(`systemctl start gitlab-runner`)
	h.wrote(h.offer(nil, `cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max`, `tail /dev/zero || exit 9`).ends(failed(9)),
		"\n67108864\n200\n", "diagnosis: the job's script ran out of memory: the limit is 64 MB", "limits.job.memory")
	h.wrote(h.offer(nil, `mkdir c && cp /bin/busybox c/ && printf 'FROM scratch\nCOPY busybox /bin/\nRUN ["/bin/busybox","tail","/dev/zero"]\n' >c/Dockerfile && docker build c || exit 9`).ends(failed(9)),
		"diagnosis: the docker daemon of this job, or a container or build in it, ran out of memory: the limit is 512 MB", "limits.sidecar.memory")
	h.wrote(h.offer(func(p *local.Payload) {
		p.Services = []local.Image{{
			Name: "busybox:latest", Alias: "eater",
			Command: []string{"sh", "-c", "while [ ! -e /builds/eat ]; do sleep 0.5; done; tail /dev/zero; touch /builds/eaten; sleep 3000"},
		}}
	}, `touch ../../eat; while [ ! -e ../../eaten ]; do sleep 0.5; done; exit 3`).ends(failed(3)),
		"diagnosis: service busybox:latest ran out of memory: the limit is 32 MB", "limits.services.memory")
}

// rootless tests a daemon of an ordinary user, where the kernel enforces AppArmor. The daemon
// has the profile for hosts that restrict user namespaces. The sidecar's bound holds.
func rootless(h host) {
	h.settings("[[policy]]\nsidecar.privilege = \"rootless\"\nsidecar.image = \"docker:dind-rootless\"\n")
	h.says(`cat /sys/module/apparmor/parameters/enabled; cat /sys/kernel/security/apparmor/profiles`, "Y", "docker-default (enforce)")
	const profile = "gitlab-dind-executor-rootlesskit"
	content, err := os.ReadFile("../../scripts/apparmor/" + profile)
	if err != nil {
		h.Fatal(err)
	}
	// In the test's image rootlesskit is at Debian's path, and Debian has a profile for this
	// path.
	h.run("apparmor_parser -R /etc/apparmor.d/rootlesskit\nsed 's|/usr/local/bin/|/usr/bin/|' >/etc/apparmor.d/" + profile + " <<'END'\n" + string(content) + "END\napparmor_parser -r /etc/apparmor.d/" + profile)
	h.run(`systemctl start gitlab-runner`)
	j := h.offer(nil, buildScript, `docker run --rm app /bin/busybox ls -d /made`,
		`docker info -f 'security {{.SecurityOptions}} driver {{.Driver}} cgroup {{.CgroupVersion}} {{.CgroupDriver}}'`,
		`docker run --rm --privileged app /bin/busybox true || echo no privileged containers`,
		`echo waiting; while [ ! -e /tmp/go-on ]; do sleep 0.5; done`)
	j.saying("\nwaiting\n")
	sidecar := h.run(`docker ps -q --no-trunc --filter label=gitlab-dind-executor.role=sidecar --filter label=gitlab-dind-executor.sandbox=` + j.sandbox())
	h.says(`docker inspect -f '{{.HostConfig.Privileged}} {{.Config.User}}' `+sidecar, "false 1000")
	h.says(`cat /sys/fs/cgroup/system.slice/docker-`+sidecar+`.scope/memory.max`, "2359296000")
	h.says(`for name in rootlesskit dockerd-rootless dockerd; do for p in $(pgrep -u 1000 -x $name || true); do echo $name $(cat /proc/$p/attr/current); done; done`, "rootlesskit "+profile+" (unconfined)")
	h.run(`docker exec dind-` + j.sandbox() + `-job touch /tmp/go-on`)
	h.wrote(j.ends(succeeded), "\n/made\n", "name=rootless", "driver overlay2 cgroup 2 none", "no privileged containers")
	h.nothingLeft("")
}

// reset resets the machine in a job. Nobody helps, and no job comes. Within two minutes of the
// boot everything of the job is gone.
func reset(h host) {
	h.run(`systemctl start gitlab-runner`)
	j := h.offer(nil, importScript, `docker run -d app /bin/busybox sleep 10000`, `echo deep in the job; sleep 10000`)
	j.saying("\ndeep in the job\n")
	sandbox := j.sandbox()
	h.run(`systemctl disable gitlab-runner; sync`)
	if err := h.m.Reset(h.Context()); err != nil {
		h.Fatal(err)
	}
	h.logIn()
	h.nothingLeft(sandbox)
	h.nothingLeft("")
	up, err := strconv.Atoi(h.run(`cut -d. -f1 /proc/uptime`))
	if took := time.Duration(up) * time.Second; err != nil || took > h.bound(2*time.Minute) {
		h.Errorf("what a reset had left was gone %s after the boot (%v)", took, err)
	}
	h.Logf("all was gone %d s after the boot; the timer fired %s", up, h.run(`systemctl show -P LastTriggerUSec gitlab-dind-executor-gc.timer`))
	h.says(`systemctl is-active docker gitlab-dind-executor-gc.timer gitlab-dind-executor-metrics.service gitlab-dind-executor-pool.socket; systemctl --failed --no-legend`, "active\nactive\nactive\nactive")
	h.run(`systemctl enable --now gitlab-runner`)
	h.offer(nil, `docker version -f up`).ends(succeeded)
}

// restarts kills, and then restarts, the engine under a job. The job ends, nothing of the job
// is left, and the next job works. Then the Runner stops at once, and has left nothing either.
func restarts(h host) {
	h.run(`systemctl start gitlab-runner`)
	for _, how := range []string{`kill -9 $(systemctl show -P MainPID docker)`, `systemctl restart docker`} {
		j := h.offer(nil, `docker version -f up`, `echo deep in the job; sleep 10000`)
		j.saying("\ndeep in the job\n")
		h.run(how)
		j.ends(systemFailure)
		h.nothingLeft(j.sandbox())
	}
	h.offer(nil, `docker version -f up`).ends(succeeded)
	h.run(`systemctl stop gitlab-runner`)
	h.says(`docker ps -aq --filter label=gitlab-dind-executor.job | wc -l; docker network ls -q --filter label=gitlab-dind-executor.job | wc -l`, "0\n0")
	h.nothingLeft("")
}

// fullDisk tests a full disk of the engine, before a job and in a job.
func fullDisk(h host) {
	h.settings("[admission]\nwait = \"5s\"\n")
	// Jobs run as root, for whom ext4 has a reserve.
	h.run(`systemctl start gitlab-runner; tune2fs -m 0 /dev/vdb; fallocate -l $(($(df --output=avail -B1 /var/lib/docker | tail -n 1) - 500000000)) /var/lib/docker/full`)
	j := h.offer(nil, `echo never`)
	h.wrote(j.ends(systemFailure), "too full to begin", "hint: make room")
	h.run(`rm /var/lib/docker/full`)
	j = h.offer(nil, `echo deep in the job; while [ ! -e /tmp/go-on ]; do sleep 0.5; done`, `tar c /usr | docker import - much:1 || exit 9`)
	j.saying("\ndeep in the job\n")
	h.run(`fallocate -l $(($(df --output=avail -B1 /var/lib/docker | tail -n 1) - 1000000)) /var/lib/docker/full; docker exec dind-` + j.sandbox() + `-job touch /tmp/go-on`)
	h.wrote(j.ends(failed(9)), "no space left on device", "diagnosis: a disk is full", "gitlab-dind-executor gc")
	h.nothingLeft(j.sandbox())
	h.run(`rm -f /var/lib/docker/full`)
	h.offer(nil, `docker version -f up`).ends(succeeded)
}

// timers tests each timer that an admin may switch on. The timer fires when its time has come.
// A missed time fires within the random delay, an hour, so this host has no delay.
func timers(h host) {
	h.run(`for timer in prepull seed; do
			mkdir -p /etc/systemd/system/gitlab-dind-executor-$timer.timer.d
			printf '[Timer]\nRandomizedDelaySec=0\n' >/etc/systemd/system/gitlab-dind-executor-$timer.timer.d/now.conf
		done
		systemctl daemon-reload
		systemctl enable --now gitlab-dind-executor-seed.timer
		systemctl list-timers --no-pager 'gitlab-dind-executor-*'
		date -s "tomorrow 06:00"`)
	for _, timer := range []string{"prepull", "seed"} {
		h.until(h.bound(2*time.Minute), `t=$(systemctl show -P LastTriggerUSec gitlab-dind-executor-`+timer+`.timer); echo "$t"; [[ $t == *"$(date +%Y-%m-%d)"* ]]`)
	}
	// The timer of gc counts from the boot.
	h.until(h.bound(2*time.Minute), `t=$(systemctl show -P LastTriggerUSec gitlab-dind-executor-gc.timer); echo "$t"; [[ $t == *20* ]]`)
	h.says(`systemctl show -P Result gitlab-dind-executor-gc.service`, "success")
}

// metrics tests the unit with Debian's Prometheus, which counts a job.
func metrics(h host) {
	h.run(`systemctl start gitlab-runner`)
	h.offer(nil, `true`).ends(succeeded)
	h.run(`cat >/etc/prometheus/prometheus.yml <<'END'
global: {scrape_interval: 2s}
scrape_configs:
  - job_name: gitlab-dind-executor
    static_configs: [{targets: ["127.0.0.1:9456"]}]
END
systemctl start prometheus`)
	ask := func(query, value string) {
		h.until(h.bound(time.Minute), `said=$(curl -fsS --data-urlencode 'query=`+query+`' http://127.0.0.1:9090/api/v1/query); echo "$said"; [[ $said == *',"`+value+`"]}'* ]]`)
	}
	ask(`up{job="gitlab-dind-executor"}`, "1")
	ask(`gitlab_dind_executor_jobs_total{result="success"}`, "2") // with the first
}

// recipe is the n-th block of shell commands of docs/security.md.
func (h host) recipe(n int) string {
	h.Helper()
	doc, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		h.Fatal(err)
	}
	blocks := strings.Split(string(doc), "```sh\n")
	if len(blocks) <= n+1 {
		h.Fatalf("docs/security.md has %d blocks of shell commands, want %d", len(blocks)-1, n+1)
	}
	block, _, _ := strings.Cut(blocks[n+1], "```")
	return block
}

// firewall tests the recipe of docs/security.md with nftables below, by IPv4 and IPv6. The
// recipe keeps sandboxes from this host, existing sandboxes included. Doctor finds nothing to
// say any more.
func firewall(h host) {
	h.settings("[network]\nipv6 = true\n")
	// Before 27 the engine keeps networks apart over IPv6 only when told to.
	if major, err := strconv.Atoi(h.run(`docker version -f '{{.Server.Version}}' | cut -d. -f1`)); err != nil || major < 27 {
		h.run(`echo '{"experimental": true, "ip6tables": true}' >/etc/docker/daemon.json; systemctl restart docker`)
	}
	h.says(`iptables --version; ip6tables --version`, "nf_tables", "nf_tables")
	h.run(`systemctl start gitlab-runner`)
	// The SSH server listens on all addresses of the host, so it stands for other servers.
	const reach = `for v in 4 6; do set -- $(ip -$v route show default); (exec 3<>/dev/tcp/$3/22) 2>/dev/null && echo "$v open" || echo "$v closed"; done`
	j := h.offer(nil, `ip -6 -brief address show dev eth0`, reach, `while [ ! -e /tmp/go-on ]; do sleep 0.5; done`, reach)
	j.saying("\n6 ")
	h.run(h.recipe(0))
	h.run(h.recipe(2))
	h.says(`nft list ruleset 2>/dev/null`, "chain DIND-SANDBOX", "table ip6 filter")
	h.run(`docker exec dind-` + j.sandbox() + `-job touch /tmp/go-on`)
	h.wrote(j.ends(succeeded), "fd6b:3f2a:91c7:", "\n4 open\n6 open\n", "4 closed\n6 closed\n")
	h.run(`systemctl stop gitlab-runner`)
	h.Log(h.says(`gitlab-dind-executor doctor`, "ok       sandbox: docker ", "ok       firewall: jobs do not reach this host's own services"))
	h.run(h.recipe(1))
	h.run(h.recipe(3))
	if out := h.run(`nft list ruleset 2>/dev/null`); strings.Contains(out, "DIND-SANDBOX") {
		h.Error("rules are left")
	}
}

// packageLife tests an upgrade in the middle of a job, a removal, and a purge.
func packageLife(h host) {
	h.run(`systemctl start gitlab-runner
		dpkg-deb -R /root/dind.deb /root/next
		sed -i 's/^Version: .*/Version: 99.2.0-1/' /root/next/DEBIAN/control
		dpkg-deb -Zgzip -z1 --root-owner-group -b /root/next /root/next.deb`)
	j := h.offer(nil, `echo deep in the job; while [ ! -e /tmp/go-on ]; do sleep 0.5; done`, `docker version -f up`)
	j.saying("\ndeep in the job\n")
	h.says(`DEBIAN_FRONTEND=noninteractive apt-get install -y -o Dpkg::Options::=--force-confold /root/next.deb 2>&1; dpkg-query -W gitlab-dind-executor; tail -n 3 /etc/gitlab-runner/dind.toml`,
		"99.2.0-1", "size = 1")
	h.says(`systemctl is-active gitlab-dind-executor-gc.timer gitlab-dind-executor-metrics.service gitlab-dind-executor-pool.socket`, "active\nactive\nactive")
	h.run(`docker exec dind-` + j.sandbox() + `-job touch /tmp/go-on`)
	j.ends(succeeded)
	h.run(`systemctl stop gitlab-runner`)
	h.nothingLeft("")
	h.says(`apt-get remove -y gitlab-dind-executor 2>&1; systemctl list-units --no-legend 'gitlab-dind-executor-*' | wc -l; docker ps -aq --filter label=gitlab-dind-executor.sandbox | wc -l; ls /etc/gitlab-runner`, "\n0\n0\n", "dind.toml")
	h.run(`apt-get purge -y gitlab-dind-executor`)
	if left := h.run(`find / -xdev -path /root -prune -o -name '*gitlab-dind-executor*' -print`); left != "" {
		h.Errorf("the package has left\n%s", left)
	}
}
