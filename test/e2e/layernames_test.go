package e2e

import (
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// containerdStore makes dockerd keep images in containerd, the default from release 29 on.
// ownStore makes dockerd keep images itself, as all releases did before.
var (
	containerdStore = rig.File{Path: "/etc/docker/daemon.json", Content: `{"features": {"containerd-snapshotter": true}}`}
	ownStore        = rig.File{Path: "/etc/docker/daemon.json", Content: `{"features": {"containerd-snapshotter": false}}`}
)

// knowsContainerd tells whether the daemon of docker:dind can keep images in containerd.
func knowsContainerd(t *testing.T) bool {
	t.Helper()
	image, err := world.Engine.ImageInspect(t.Context(), rig.ImageDind)
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range image.Config.Env {
		var major int
		if n, _ := fmt.Sscanf(env, "DOCKER_VERSION=%d.", &major); n == 1 {
			return major >= 24
		}
	}
	t.Fatalf("%s does not tell its release of docker", rig.ImageDind)
	return false
}

// A daemon with the layers of earlier jobs must not take the layers' names for the registry's.
// `base` and `app` may have changed since.
func TestCachedLayersHaveNoNames(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	derive := func(base string, files []rig.File, changes ...string) string {
		return rig.DeriveWith(t, world.Engine, base, files, changes...)
	}
	inHome := func(f rig.File) rig.File { f.Path = "/home/rootless/.config/docker/daemon.json"; return f }
	before, after := holding(t, "old"), holding(t, "new")
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	type kind struct {
		name, image, privilege, store string
		// bare says that names in containerd's store cannot be removed here, so the store goes.
		bare bool
	}
	kinds := []kind{
		{name: "dockerd's store", image: derive(rig.ImageDind, []rig.File{ownStore}), privilege: "privileged", store: "overlay2"},
	}
	if long() {
		kinds = append(kinds, kind{name: "dockerd's store without root", image: derive(rig.ImageRootless, []rig.File{inHome(ownStore)}), privilege: "rootless", store: "overlay"})
	}
	if knowsContainerd(t) {
		kinds = append(kinds, kind{name: "containerd's store", image: derive(rig.ImageDind, []rig.File{containerdStore}), privilege: "privileged", store: "overlayfs"})
	}
	if knowsContainerd(t) && long() {
		noCtr := rig.File{Path: "/usr/local/bin/ctr", Mode: 0o755, Content: "#!/bin/sh\nexit 1\n"}
		kinds = append(kinds,
			kind{name: "containerd's store without ctr", image: derive(rig.ImageDind, []rig.File{containerdStore, noCtr}), privilege: "privileged", store: "overlayfs", bare: true})
	}
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			project := int64(60 + i)                                          // each its own project, because daemons of one kind share layers
			of := fmt.Sprintf("names/%s-%s-%t", k.privilege, k.store, k.bare) // a base of its own
			with := under(settingsWith(t, fmt.Sprintf("[cache]\nvolume = false\nlayers = \"project\"\n[[policy]]\nsidecar.privilege = %q\nsidecar.image = %q\n", k.privilege, k.image)))
			script := []string{
				`echo "store $(docker info -f '{{.Driver}}')"`,
				`echo "containers: $(docker ps -aq | wc -l), names: $(docker images --format '{{.Repository}}' | grep -vc none)"`,
				login, build,
				`printf "FROM $CI_REGISTRY/` + of + `/base\nRUN cp /is /was\n" > /tmp/Dockerfile`,
				`docker build -q -t built - < /tmp/Dockerfile && echo "the base is $(docker run --rm built cat /was)"`,
				`DOCKER_BUILDKIT=0 docker build -t old - < /tmp/Dockerfile && echo "the old builder's base is $(docker run --rm old cat /was)"`,
				`echo "the app is $(docker run --rm $CI_REGISTRY/` + of + `/app cat /is)"`,
				`docker pull $CI_REGISTRY/base/busybox; docker images; docker run -d --restart=always $CI_REGISTRY/` + of + `/app sleep 1000`,
			}
			job := func() local.Payload {
				p := world.Job(script...)
				p.Services, p.JobInfo.ProjectID = nil, project
				return p
			}
			now := func(image string) {
				for _, name := range []string{of + "/base:latest", of + "/app:latest"} {
					if err := world.Registry.Push(t.Context(), world.Engine, image, name); err != nil {
						t.Fatal(err)
					}
				}
			}
			now(before)
			runJobUnchecked(t, job(), with).succeeded().quietCleanup().
				says("\nstore "+k.store, "\nthe base is old\n", "\nthe old builder's base is old\n", "\nthe app is old\n", "no layers yet").saysNot("CACHED")
			now(after)
			jobs := 2
			if k.bare || k.privilege == "rootless" {
				jobs = 1 // the second shows how the builder treats names, which is the same for all
			}
			for again := range jobs {
				sweptBehind(t)
				r := runJobUnchecked(t, job(), with).succeeded().quietCleanup().
					says("\ncontainers: 0, names: 0\n", "\nthe base is new\n", "\nthe old builder's base is new\n", "\nthe app is new\n", "layers reused")
				// The classic builder has built on the new base once before.
				if k.bare {
					r.saysNot("CACHED", "Using cache")
				} else if r.says("CACHED"); again > 0 {
					r.says("Using cache")
				}
			}
		})
	}
}

// holding makes an image whose file /is holds the text is.
func holding(t *testing.T, is string) string {
	t.Helper()
	return rig.DeriveWith(t, world.Engine, rig.ImageBusybox, []rig.File{{Path: "/is", Content: is + "\n"}})
}

// Containers that a job leaves have layers in containerd, too.
func TestContainersOfEarlierJobsLeaveNothingInContainerd(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t, fmt.Sprintf("[[policy]]\nsidecar.image = %q\n", rig.DeriveWith(t, world.Engine, rig.ImageDind, []rig.File{containerdStore})))
	var held []string
	most := "1000"
	for range 4 {
		// containerd removes unreferenced layers in its own time.
		count := `n=0; until [ $(ls /d/*snapshotter*overlayfs/snapshots | wc -l) -le ` + most + ` ] || [ $((n+=1)) -gt 50 ]; do sleep 0.2; done; ` +
			`echo "$(ls /d/*snapshotter*overlayfs/snapshots | wc -l) layers"`
		p := world.Job(login, `for i in 1 2 3; do docker run -d --restart=always $CI_REGISTRY/base/busybox sh -c 'echo > /x; sleep 1000'; done`,
			`docker run --rm -v /var/lib/docker/containerd/daemon:/d $CI_REGISTRY/base/busybox sh -c '`+count+`' && docker ps -q | wc -l`)
		p.Services = nil
		log := runJobUnchecked(t, p, with).succeeded().quietCleanup().says(" layers\n3\n").log
		before, _, _ := strings.Cut(log, " layers\n3\n")
		held = append(held, before[strings.LastIndex(before, "\n")+1:])
		most = held[0]
	}
	if held[3] != held[2] {
		t.Errorf("containerd holds more with every job: %q layers", held)
	}
}
