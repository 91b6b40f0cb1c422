package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/test/rig"
)

// planted are a job's hostile leftovers in its data root for the next job, as shell commands in
// /d. Each thing was once run, followed or believed by a later job's sidecar.
const planted = `
	# The place for what goes is taken, and the next one is a link out of the data
	# root: a program for the PATH, and settings for the daemon.
	rm -rf .gone; echo x >.gone
	printf '#!/bin/sh\ntouch /builds/planted\n' >dockerd; chmod 755 dockerd
	cp dockerd containerd; cp dockerd iptables
	echo '{"labels":["planted=yes"]}' >daemon.json
	ln -s %s .gone-too
	# A plugin, which containerd loads where there are snapshots.
	mkdir -p containerd/daemon/plugins containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs
	echo x >containerd/daemon/plugins/planted.so
	# A link in the place of a directory in which files are removed by names.
	rm -rf overlay2/l; ln -s /usr/sbin overlay2/l
	mkdir -p overlay2/planted image/overlay2/layerdb/mounts/planted image/overlay2/layerdb/mounts/x
	echo planted >image/overlay2/layerdb/mounts/planted/mount-id
	echo xtables-nft-multi >overlay2/planted/link
	echo ../../../../../etc >image/overlay2/layerdb/mounts/x/mount-id
	# Names that a shell would split or take for options.
	mkdir "image/x
containers" "image/overlay2 image" ./-rf; touch ./--help`

// Leftovers of a job in its data root are neither run, nor followed, nor believed in the next
// job. The next job works, with or without layers.
func TestNothingThatAJobPlantsReachesTheNextJob(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	for _, k := range []struct {
		privilege, image, data string
		targets                []string
	}{
		{"privileged", rig.ImageDind, "/var/lib/docker", []string{"/usr/local/sbin", "/etc/docker"}},
		{"reduced", rig.ImageDind, "/var/lib/docker", []string{"/usr/local/sbin"}},
		{"rootless", rig.ImageRootless, "/home/rootless/.local/share/docker", []string{"/home/rootless/.config/docker"}},
	} {
		t.Run(k.privilege, func(t *testing.T) {
			t.Parallel()
			with := under(settingsWith(t, fmt.Sprintf("[cache]\nvolume = false\nlayers = \"project\"\n[[policy]]\nsidecar.privilege = %q\nsidecar.image = %q\n", k.privilege, k.image)))
			job := func(script ...string) ran {
				p := world.Job(script...)
				p.Services = nil // the runner's own
				return runJobUnchecked(t, p, with).succeeded().quietCleanup()
			}
			look := `echo "planted: $(ls /builds | grep -c planted) labels: $(docker info -f '{{.Labels}}') plugins: $(docker run --rm -v ` + k.data +
				`:/d $CI_REGISTRY/base/busybox find /d -name 'planted*' | wc -l) iptables: $(docker run --rm -v /usr/sbin:/s $CI_REGISTRY/base/busybox sh -c 'ls /s/xtables-nft-multi | wc -l')"`
			for _, target := range k.targets {
				plant := fmt.Sprintf("docker run --rm --user 0 -v %s:/d -w /d $CI_REGISTRY/base/busybox sh -c '%s'",
					k.data, strings.ReplaceAll(fmt.Sprintf(planted, target), `'`, `'"'"'`))
				job(login, build, plant, `echo planted it`).says("\nplanted it\n")
				job(login, build, look).says("\nplanted: 0 labels: [] plugins: 0 iptables: 1\n")
			}
		})
	}
}

// A file that nobody can remove ends neither the layers of its scope nor gc's work for others.
func TestAnImmutableFileAmongLayersStopsNobody(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup()
	freeze := func() {
		t.Helper()
		gcWith(t) // so that nobody clears the volume at this moment
		v, err := world.Engine.VolumeInspect(t.Context(), cachedLayers(t)[0])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, _ = asRoot(context.Background(), "chattr -R -f -i -a "+v.Mountpoint+" || true") // the volume should be gone
		})
		if out, err := asRoot(t.Context(), "cd "+v.Mountpoint+` && mkdir -p aside && echo x >aside/x && echo x >image/overlay2/frozen &&
			chattr +i aside/x aside image/overlay2/frozen engine-id && chattr +a overlay2/l`); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	freeze()
	for range 2 {
		runJobUnchecked(t, world.Job(login, build), with).succeeded().quietCleanup().says("CACHED", "layers reused")
	}
	freeze()
	// gc names the volume as layers, or as a volume that resisted before it was emptied.
	if said := gcWith(t, "--caches", "--older-than", "0s"); !strings.Contains(said, "removed ") || len(cachedLayers(t)) != 0 {
		t.Errorf("gc says %s", said)
	}
}
