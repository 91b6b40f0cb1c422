package hostiletree

import (
	"fmt"
	"path"
	"strings"
)

// known are paths that daemons or the executor use or have used.
var known = []string{
	"image", "image/overlay2", "image/overlay2/imagedb", "image/overlay2/imagedb/content/sha256", "image/overlay2/layerdb", "image/overlay2/layerdb/sha256",
	"image/overlay2/layerdb/mounts", "image/overlay2/layerdb/tmp", "image/overlay2/distribution", "image/overlay2/repositories.json", "image/vfs/layerdb",
	"overlay2", "overlay2/l", "vfs/dir", "vfs", "fuse-overlayfs", "btrfs/subvolumes", "zfs/graph", "aufs/diff",
	"buildkit", "buildkit/cache.db", "buildkit/content", "buildkit/content/blobs/sha256", "buildkit/content/ingest", "buildkit/executor", "buildkit/net",
	"containerd", "containerd/daemon", "containerd/daemon/plugins", "containerd/daemon/opt", "containerd/daemon/io.containerd.content.v1.content",
	"containerd/daemon/io.containerd.metadata.v1.bolt/meta.db", "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots",
	"content", "content/data", "content/metadata.db", "engine-id", "daemon.json", "config.json", "key.json", "plugins", "plugins/storage", "swarm", "volumes", "volumes/metadata.db",
	"containers", "network/files/local-kv.db", "runtimes", "tmp", "trust", "rootfs", "dockerd", "containerd-shim-runc-v2", "runc",
	".gone", ".gone-too", ".seed", ".gitlab-dind-executor", ".gitlab-dind-executor.part", ".gitlab-dind-executor.part/image", ".gitlab-dind-executor.gone-0", ".gitlab-dind-executor/id",
}

// layer is a layer of overlay2.
type layer struct{ id, link, lower string }

// daemon makes the leftovers of daemons: some images, build cache and containers, with
// dockerd's store or containerd's.
func (p *planter) daemon() {
	_ = p.write("engine-id", p.hex(36))
	_ = p.write("volumes/metadata.db", "db")
	_ = p.write("network/files/local-kv.db", "db")
	_ = p.write("image/overlay2/repositories.json", `{"Repositories":{}}`)
	for _, dir := range []string{"buildkit/content/ingest", "buildkit/executor", "swarm", "runtimes", "plugins/tmp", "tmp", "containers"} {
		_ = p.mkdirs(dir)
	}
	for _, db := range []string{"cache.db", "metadata_v2.db", "snapshots.db", "containerdmeta.db", "history.db"} {
		_ = p.write("buildkit/"+db, "db")
	}
	for range p.rng.IntN(4) {
		_ = p.write("buildkit/content/blobs/sha256/"+p.hex(64), "blob")
	}
	if p.chance(3) {
		p.containerd()
	}
	if p.chance(5) {
		p.vfs()
	}
	p.overlay()
}

// overlay makes images, build cache and containers on overlay2.
func (p *planter) overlay() {
	_ = p.mkdirs("image/overlay2/layerdb/tmp")
	_ = p.mkdirs("image/overlay2/imagedb/content/sha256")
	_ = p.mkdirs("overlay2/l")
	for range p.rng.IntN(4) {
		below, chain := layer{}, ""
		for range 1 + p.rng.IntN(5) {
			l := p.layer(p.hex(64), below)
			next := p.hex(64)
			at := "image/overlay2/layerdb/sha256/" + next + "/"
			_ = p.write(at+"cache-id", l.id)
			_ = p.write(at+"diff", "sha256:"+p.hex(64))
			_ = p.write(at+"size", "4")
			_ = p.write(at+"tar-split.json.gz", "gz")
			if chain != "" {
				_ = p.write(at+"parent", "sha256:"+chain)
			}
			below, chain = l, next
		}
		image := p.hex(64)
		_ = p.write("image/overlay2/imagedb/content/sha256/"+image, "{}")
		_ = p.write("image/overlay2/imagedb/metadata/sha256/"+image+"/lastUpdated", "2026-01-01T00:00:00Z")
		if p.chance(2) {
			p.layer(p.hex(25), below) // of the build cache
		}
		for range p.rng.IntN(3) {
			p.container(below)
		}
	}
}

// container makes a container's two layers.
func (p *planter) container(below layer) {
	id, at := p.hex(64), p.hex(64)
	first := p.layer(at+"-init", below)
	p.layer(at, first)
	mount := "image/overlay2/layerdb/mounts/" + id + "/"
	_ = p.write(mount+"mount-id", at)
	_ = p.write(mount+"init-id", at+"-init")
	_ = p.write("containers/"+id+"/config.v2.json", "{}")
	_ = p.mkdirs("overlay2/" + at + "/merged")
}

func (p *planter) layer(id string, below layer) layer {
	l := layer{id: id, link: p.letters(26)}
	at := "overlay2/" + id + "/"
	_ = p.write(at+"diff/file", "text")
	_ = p.write(at+"link", l.link)
	if below.link != "" {
		l.lower = strings.TrimSuffix("l/"+below.link+":"+below.lower, ":")
		_ = p.write(at+"lower", l.lower)
		_ = p.mkdirs(at + "work/work")
	}
	_ = p.write(at+"committed", "")
	_ = p.root.Symlink("../"+id+"/diff", "overlay2/l/"+l.link)
	return l
}

// containerd makes images in containerd's store.
func (p *planter) containerd() {
	at := "containerd/daemon/io.containerd."
	_ = p.write(at+"metadata.v1.bolt/meta.db", "db")
	_ = p.write(at+"content.v1.content/blobs/sha256/"+p.hex(64), "blob")
	_ = p.mkdirs(at + "content.v1.content/ingest/" + p.hex(64))
	for _, empty := range []string{"runtime.v2.task/moby", "snapshotter.v1.native/snapshots", "snapshotter.v1.btrfs", "snapshotter.v1.erofs"} {
		_ = p.mkdirs(at + empty)
	}
	_ = p.write("buildkit/containerd-overlayfs/metadata_v2.db", "db")
	_ = p.write("buildkit/containerd-overlayfs/workerid", p.hex(25))
	_ = p.write(at+"snapshotter.v1.overlayfs/metadata.db", "db")
	for i := range 1 + p.rng.IntN(5) {
		snapshot := fmt.Sprintf("%ssnapshotter.v1.overlayfs/snapshots/%d", at, i+1)
		_ = p.write(path.Join(snapshot, "fs/file"), "text")
		_ = p.mkdirs(path.Join(snapshot, "work"))
	}
}

// vfs makes images of the storage driver vfs, which has nothing but directories.
func (p *planter) vfs() {
	for range 1 + p.rng.IntN(3) {
		id, chain := p.hex(64), p.hex(64)
		_ = p.write("vfs/dir/"+id+"/file", "text")
		_ = p.write("image/vfs/layerdb/sha256/"+chain+"/cache-id", id)
		_ = p.write("image/vfs/layerdb/sha256/"+chain+"/diff", "sha256:"+p.hex(64))
	}
}
