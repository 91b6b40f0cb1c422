package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"gitlab-dind-executor/test/rig"
)

// planted are things that a job leaves in its data root for the next one, as shell
// commands in /d. Each was once run, followed or believed by a later job's sidecar.
var planted = map[string]string{
	"a program that is moved into the PATH": `
		rm -rf .gone; echo x >.gone
		printf '#!/bin/sh\ntouch /builds/planted\n' >dockerd; chmod 755 dockerd
		cp dockerd containerd; cp dockerd iptables
		ln -s /usr/local/sbin .gone-too`,
	"settings of the daemon": `
		rm -rf .gone; echo x >.gone
		echo '{"labels":["planted=yes"]}' >daemon.json
		ln -s /home/rootless/.config/docker .gone-too`,
	"settings of the daemon, for root": `
		rm -rf .gone; echo x >.gone
		echo '{"labels":["planted=yes"]}' >daemon.json
		ln -s /etc/docker .gone-too`,
	"plugins of containerd": `
		mkdir -p containerd/daemon/plugins containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs
		echo x >containerd/daemon/plugins/planted.so`,
	"a link in the place of overlay2's links": `
		i=$(ls overlay2 | grep -v '^l$' | head -n 1)
		rm -rf overlay2/l; ln -s /usr/sbin overlay2/l
		mkdir -p overlay2/planted image/overlay2/layerdb/mounts/planted
		echo planted >image/overlay2/layerdb/mounts/planted/mount-id
		echo iptables >overlay2/planted/link`,
	"a mount that names a directory above": `
		mkdir -p image/overlay2/layerdb/mounts/x
		echo ../../../../../etc >image/overlay2/layerdb/mounts/x/mount-id`,
	"names with line ends": `
		mkdir "image/x
containers" "image/overlay2 image"; touch "-rf" "--help"`,
}

// What a job has planted in its data root neither runs, nor is followed, nor
// believed in the next job. That job works, with or without layers.
func TestNothingThatAJobPlantsReachesTheNextJob(t *testing.T) {
	for _, k := range []struct{ privilege, image, data string }{
		{"privileged", rig.ImageDind, "/var/lib/docker"},
		{"reduced", rig.ImageDind, "/var/lib/docker"},
		{"rootless", rig.ImageRootless, "/home/rootless/.local/share/docker"},
	} {
		t.Run(k.privilege, func(t *testing.T) {
			rig.Unchanged(t, world.Engine)
			t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
			with := under(settingsWith(t, fmt.Sprintf("[cache]\nvolume = false\nlayers = \"project\"\n[[policy]]\nsidecar.privilege = %q\nsidecar.image = %q\n", k.privilege, k.image)))
			look := `echo "planted: $(ls /builds | grep -c planted) labels: $(docker info -f '{{.Labels}}') plugins: $(docker run --rm -v ` + k.data + `:/d $CI_REGISTRY/base/busybox find /d -name 'planted*' | wc -l) iptables: $(docker run --rm -v /usr/sbin:/s $CI_REGISTRY/base/busybox sh -c 'ls /s/ip6tables /s/iptables | wc -l')"`
			runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup()
			for name, commands := range planted {
				plant := fmt.Sprintf("docker run --rm --user 0 -v %s:/d -w /d $CI_REGISTRY/base/busybox sh -c '%s'",
					k.data, strings.ReplaceAll(commands, `'`, `'"'"'`))
				job := runJobUnchecked(t, world.Job(login, plant, `echo planted it`), with).succeeded().quietCleanup().says("planted it")
				if t.Failed() {
					t.Fatalf("%s: %s", name, job.log)
				}
				job = runJobUnchecked(t, world.Job(login, build, look), with).succeeded().quietCleanup().
					says("\nplanted: 0 labels: [] plugins: 0 iptables: 2\n")
				if t.Failed() {
					t.Fatalf("%s: %s", name, job.log)
				}
			}
		})
	}
}

// A file that nobody can remove ends neither the layers of its scope nor what gc
// does for others.
func TestAnImmutableFileAmongLayersStopsNobody(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := keepsLayers(t)
	runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup()
	frozen := `docker run --rm --privileged -v /var/lib/docker:/d $CI_REGISTRY/base/busybox sh -c ` +
		`'mkdir /d/aside && echo x >/d/aside/x && echo x >/d/image/overlay2/frozen && chattr +i /d/aside/x /d/aside /d/image/overlay2/frozen /d/engine-id && chattr +a /d/image'`
	runJobUnchecked(t, world.Job(login, frozen, `echo frozen`), with).succeeded().quietCleanup().says("\nfrozen\n")
	for range 2 {
		runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup().says("CACHED", "layers reused")
	}
	runJobUnchecked(t, world.Job(login, frozen, `echo frozen`), with).succeeded().quietCleanup().says("\nfrozen\n")
	name := keptLayers(t)[0]
	// What gc has not cleared yet can be frozen, too.
	t.Cleanup(func() {
		_ = exec.Command("docker", "run", "--rm", "-v", name+":/d", "--network", "none", "--cap-add", "LINUX_IMMUTABLE",
			"--entrypoint", "sh", rig.ImageBusybox, "-c", "chattr -R -i -a /d").Run() // it is gone, as it should be
		_ = exec.Command("docker", "volume", "rm", name).Run()
	})
	if said := gcWith(t, "--caches", "--older-than", "0s"); !strings.Contains(said, "removed layers "+name) {
		t.Errorf("gc says %s", said)
	}
}
