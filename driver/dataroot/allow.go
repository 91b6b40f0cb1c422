package dataroot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// area is a kind of directory in a data root. What may lie in it is a decision on
// names alone.
type area int

const (
	// areaNone is of files and of directories that nobody looks into.
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

// rule says what an entry must be to stay.
type rule struct {
	// dir, link or else a regular file.
	dir, link bool
	// area says how the names in a directory are judged; areaNone, that it holds
	// content of a layer, and is not looked into.
	area area
	// max is how large a file may be, in bytes.
	max int64
}

func file(limit int64) rule  { return rule{max: limit} }
func directory(a area) rule  { return rule{dir: true, area: a} }
func contentOfLayer() rule   { return rule{dir: true} }
func (r rule) content() bool { return r.dir && r.area == areaNone }

// named are the names that an area knows.
//
// They are those that dockerd 18.09 to 29 and containerd 1.2 to 2.2 write, and of
// them what the next daemon needs for layers and build cache. All that it makes
// anew is left out: names of images, containers, volumes, networks, plugins, swarm,
// states of runtimes, and whatever is half done (tmp, ingest).
var named = map[area]map[string]rule{
	areaRoot: {
		"engine-id":      file(maxNote), // build cache is void without it
		".seed":          file(maxNote), // which seed was planted; see driver/plan/seed.go
		"image":          directory(areaImages),
		"overlay2":       directory(areaOverlay),
		"fuse-overlayfs": directory(areaOverlay),
		"vfs":            directory(areaVFS),
		"btrfs":          directory(areaBtrfs),
		"buildkit":       directory(areaBuildKit),
		"content":        directory(areaContent),
		"containerd":     directory(areaContainerd),
	},
	// zfs is not among them: its layers are datasets of the host's pool, which no
	// data root holds, and a name in image/zfs could be one of another project's.
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
		// With containerd's store, by its snapshotter.
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
	digestName = regexp.MustCompile(`^[0-9a-f]{64}([0-9a-f]{32}|[0-9a-f]{64})?$`)
	// layerName is one of dockerd's or, shorter, of BuildKit's. Those of the layers
	// that containers begin with end in -init.
	layerName    = regexp.MustCompile(`^([0-9a-f]{64}|[0-9a-z]{25})$`)
	linkName     = regexp.MustCompile(`^[A-Z0-9]{26}$`)
	snapshotName = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
)

// judge says what an entry of an area must be to stay. It goes if none is known.
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

// lowers are the short names of the layers that another lies on, the next one
// first: what dockerd puts before the kernel.
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

// layerOf is the layer that a short name leads to.
func layerOf(target string) (name string, ok bool) {
	name, up := strings.CutPrefix(target, "../")
	name, down := strings.CutSuffix(name, "/diff")
	return name, up && down && layerName.MatchString(name)
}
