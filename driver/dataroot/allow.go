package dataroot

import (
	"fmt"
	"slices"
	"strings"

	"gitlab-dind-executor/pattern"
)

// area is a kind of directory in a data root. Names alone decide which entries an area may hold.
type area int

const (
	// areaNone is the area of files, and of directories whose content nobody reads.
	areaNone area = iota
	areaRoot
	areaImages
	areaDriver
	areaDistribution
	areaDigests // one directory per algorithm
	areaNotes   // small files by digest
	areaImageDB
	areaConfigs
	areaConfig
	areaParents
	areaParent
	areaParentOf
	areaLayerDB
	areaLayers
	areaLayer
	areaBuildKit
	areaWorker
	areaContent
	areaStore
	areaBlobs
	areaBlob
	areaContainerd
	areaDaemon
	areaMeta
	areaSnapshotter
	areaSnapshots
	areaSnapshot
	areaNative
	areaOverlay
	areaLinks
	areaOverlayLayer
	areaVFS
	areaBtrfs
	areaFlatLayers
	areaNativeLayers
)

// rule describes the entries that may stay under a name.
type rule struct {
	// dir or link; neither means a regular file.
	dir, link bool
	// area judges the names inside a directory. areaNone marks the content of a layer, which
	// nobody reads.
	area area
	// max is the largest allowed size of a file, in bytes.
	max int64
}

func file(limit int64) rule  { return rule{max: limit} }
func directory(a area) rule  { return rule{dir: true, area: a} }
func contentOfLayer() rule   { return rule{dir: true} }
func (r rule) content() bool { return r.dir && r.area == areaNone }

// named has the known names of each area, with their rules.
//
// dockerd 18.09 to 29 and containerd 1.2 to 2.2 write these names. Listed are only names needed
// by the next daemon for layers and build cache. Things that a daemon makes anew are missing on
// purpose. Such are names of images, containers, volumes, networks, plugins, swarm, states of
// runtimes, and unfinished work (tmp, ingest).
var named = map[area]map[string]rule{
	areaRoot: {
		"engine-id":      file(maxNote), // the build cache is void without this file
		".seed":          file(maxNote), // the name of the planted seed; see driver/plan/seed.go
		"image":          directory(areaImages),
		"overlay2":       directory(areaOverlay),
		"fuse-overlayfs": directory(areaOverlay),
		"vfs":            directory(areaVFS),
		"btrfs":          directory(areaBtrfs),
		"buildkit":       directory(areaBuildKit),
		"content":        directory(areaContent),
		"containerd":     directory(areaContainerd),
	},
	// zfs is missing on purpose. Its layers are datasets of the host's pool, outside of any data
	// root, and a name in image/zfs could belong to another project.
	areaImages: {
		"overlay2":       directory(areaDriver),
		"fuse-overlayfs": directory(areaDriver),
		"vfs":            directory(areaDriver),
		"btrfs":          directory(areaDriver),
	},
	areaDriver: {
		"distribution": directory(areaDistribution),
		"imagedb":      directory(areaImageDB),
		"layerdb":      directory(areaLayerDB),
	},
	areaDistribution: {
		"diffid-by-digest":     directory(areaDigests),
		"v2metadata-by-diffid": directory(areaDigests),
	},
	areaImageDB: {
		"content":  directory(areaConfigs),
		"metadata": directory(areaParents),
	},
	areaParentOf: {
		"parent":       file(maxNote),
		"lastUpdated":  file(maxNote),
		"builtLocally": file(maxNote),
	},
	areaLayer: {
		"cache-id":          file(maxNote),
		"diff":              file(maxNote),
		"parent":            file(maxNote),
		"size":              file(maxNote),
		"descriptor.json":   file(maxRecord),
		"tar-split.json.gz": file(maxTar),
	},
	areaBuildKit: {
		"cache.db":          file(maxDB),
		"metadata.db":       file(maxDB),
		"metadata_v2.db":    file(maxDB),
		"snapshots.db":      file(maxDB),
		"containerdmeta.db": file(maxDB),
		"history.db":        file(maxDB),
		"history_c8d.db":    file(maxDB),
		"content":           directory(areaStore),
		// Names of workers with containerd's store, by snapshotter.
		"containerd-overlayfs":      directory(areaWorker),
		"containerd-fuse-overlayfs": directory(areaWorker),
		"containerd-native":         directory(areaWorker),
	},
	areaWorker: {
		"metadata_v2.db": file(maxDB),
		"workerid":       file(maxNote),
	},
	areaContent: {
		"metadata.db": file(maxDB),
		"data":        directory(areaStore),
	},
	areaStore:      {"blobs": directory(areaBlobs)},
	areaContainerd: {"daemon": directory(areaDaemon)},
	areaDaemon: {
		"io.containerd.content.v1.content":            directory(areaStore),
		"io.containerd.metadata.v1.bolt":              directory(areaMeta),
		"io.containerd.snapshotter.v1.overlayfs":      directory(areaSnapshotter),
		"io.containerd.snapshotter.v1.fuse-overlayfs": directory(areaSnapshotter),
		"io.containerd.snapshotter.v1.native":         directory(areaNative),
	},
	areaMeta: {"meta.db": file(maxDB)},
	areaSnapshotter: {
		"metadata.db": file(maxDB),
		"snapshots":   directory(areaSnapshots),
	},
	areaNative: {
		"metadata.db": file(maxDB),
		"snapshots":   directory(areaNativeLayers),
	},
	areaSnapshot: {
		"fs":   contentOfLayer(),
		"work": contentOfLayer(),
	},
	areaOverlay: {"l": directory(areaLinks)},
	areaOverlayLayer: {
		"diff":      contentOfLayer(),
		"work":      contentOfLayer(),
		"link":      file(maxNote),
		"lower":     file(maxNote),
		"committed": file(maxNote),
	},
	areaVFS:   {"dir": directory(areaFlatLayers)},
	areaBtrfs: {"subvolumes": directory(areaFlatLayers)},
}

var (
	algorithms = []string{"sha256", "sha384", "sha512"}
	digestName = pattern.New(`^[0-9a-f]{64}([0-9a-f]{32}|[0-9a-f]{64})?$`)
	// layerName matches names of layers: 64 digits from dockerd, 25 characters from BuildKit.
	// Names that end in -init do not match: they are lowest layers of containers.
	layerName    = pattern.New(`^([0-9a-f]{64}|[0-9a-z]{25})$`)
	linkName     = pattern.New(`^[A-Z0-9]{26}$`)
	snapshotName = pattern.New(`^[1-9][0-9]{0,18}$`)
)

// judge is the rule for an entry of an area; false without one, and then the entry goes.
func judge(in area, name string) (rule, bool) {
	if r, ok := named[in][name]; ok {
		return r, true
	}
	digests := func(a area) (rule, bool) { return directory(a), slices.Contains(algorithms, name) }
	switch in {
	case areaDigests:
		return digests(areaNotes)
	case areaConfigs:
		return digests(areaConfig)
	case areaParents:
		return digests(areaParent)
	case areaLayerDB:
		return directory(areaLayers), name == "sha256"
	case areaBlobs:
		return digests(areaBlob)
	case areaNotes, areaConfig:
		return file(maxRecord), digestName.MatchString(name)
	case areaParent:
		return directory(areaParentOf), digestName.MatchString(name)
	case areaLayers:
		return directory(areaLayer), digestName.MatchString(name)
	case areaBlob:
		return file(maxBlob), digestName.MatchString(name)
	case areaSnapshots:
		return directory(areaSnapshot), snapshotName.MatchString(name)
	case areaOverlay:
		return directory(areaOverlayLayer), layerName.MatchString(name)
	case areaLinks:
		return rule{link: true}, linkName.MatchString(name)
	case areaFlatLayers:
		return contentOfLayer(), layerName.MatchString(name)
	case areaNativeLayers:
		return contentOfLayer(), snapshotName.MatchString(name)
	}
	return rule{}, false
}

// lowers reads overlay2's file "lower", which dockerd passes to the kernel. The answer has the
// short names of the layers below a layer, the nearest first.
func lowers(lower string) ([]string, error) {
	if lower == "" {
		return nil, nil
	}
	var all []string
	for e := range strings.SplitSeq(lower, ":") {
		link, ok := strings.CutPrefix(e, "l/")
		if !ok || !linkName.MatchString(link) {
			return nil, fmt.Errorf("%s, which is no layer", shown(e))
		}
		all = append(all, link)
	}
	return all, nil
}

// layerOf reads the name of a layer from the target of a short name's link.
func layerOf(target string) (name string, ok bool) {
	name, up := strings.CutPrefix(target, "../")
	name, down := strings.CutSuffix(name, "/diff")
	return name, up && down && layerName.MatchString(name)
}
