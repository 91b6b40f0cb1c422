package dataroot

import (
	"regexp"
	"strings"
	"testing"
)

// judgePath tells whether every name of a path may stay.
func judgePath(path string) bool {
	in := areaRoot
	names := strings.Split(path, "/")
	for i, name := range names {
		r, ok := judge(in, name)
		if !ok || i < len(names)-1 && (!r.dir || r.content()) {
			return false
		}
		in = r.area
	}
	return true
}

// allowList has the allowed paths, written a second time.
var allowList = regexp.MustCompile(`\A(?:` + strings.NewReplacer(
	"<alg>", "(?:sha256|sha384|sha512)",
	"<hex>", "(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})",
	"<layer>", "(?:[0-9a-f]{64}|[0-9a-z]{25})",
	"<short>", "[A-Z0-9]{26}",
	"<n>", "[1-9][0-9]{0,18}",
	"<driver>", "(?:overlay2|fuse-overlayfs|vfs|btrfs)",
	"<overlay>", "(?:overlay2|fuse-overlayfs)",
	"<blobs>", "/blobs(?:/(?:sha256|sha384|sha512)(?:/(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}))?)?",
	"<snapshotter>", `io\.containerd\.snapshotter\.v1\.`,
).Replace(strings.Join([]string{
	`engine-id`, `\.seed`,
	`image`, `image/<driver>`, `image/<driver>/(?:distribution|imagedb|layerdb)`,
	`image/<driver>/distribution/(?:diffid-by-digest|v2metadata-by-diffid)(?:/<alg>(?:/<hex>)?)?`,
	`image/<driver>/imagedb/content(?:/<alg>(?:/<hex>)?)?`,
	`image/<driver>/imagedb/metadata(?:/<alg>(?:/<hex>(?:/parent|/lastUpdated|/builtLocally)?)?)?`,
	`image/<driver>/layerdb/sha256(?:/<hex>(?:/cache-id|/diff|/parent|/size|/descriptor\.json|/tar-split\.json\.gz)?)?`,
	`<overlay>`, `<overlay>/l`, `<overlay>/l/<short>`, `<overlay>/<layer>(?:/diff|/work|/link|/lower|/committed)?`,
	`vfs(?:/dir(?:/<layer>)?)?`, `btrfs(?:/subvolumes(?:/<layer>)?)?`,
	`buildkit`, `buildkit/(?:cache|metadata|metadata_v2|snapshots|containerdmeta|history|history_c8d)\.db`, `buildkit/content(?:<blobs>)?`, `buildkit/containerd-(?:overlayfs|fuse-overlayfs|native)(?:/metadata_v2\.db|/workerid)?`,
	`content`, `content/metadata\.db`, `content/data(?:<blobs>)?`,
	`containerd`, `containerd/daemon`,
	`containerd/daemon/io\.containerd\.content\.v1\.content(?:<blobs>)?`,
	`containerd/daemon/io\.containerd\.metadata\.v1\.bolt(?:/meta\.db)?`,
	`containerd/daemon/<snapshotter>(?:overlayfs|fuse-overlayfs|native)(?:/metadata\.db|/snapshots)?`,
	`containerd/daemon/<snapshotter>native/snapshots/<n>`,
	`containerd/daemon/<snapshotter>(?:overlayfs|fuse-overlayfs)/snapshots/<n>(?:/fs|/work)?`,
}, "|")) + `)\z`)

// FuzzNames compares judge with allowList.
func FuzzNames(f *testing.F) {
	h := strings.Repeat("a", 64)
	for _, path := range []string{
		"image/overlay2/layerdb/sha256/" + h + "/cache-id", "image/overlay2/imagedb/metadata/sha256/" + h + "/parent", "image/overlay2/repositories.json",
		"image/overlay2/layerdb/mounts/" + h, "image/overlay2/distribution/diffid-by-digest/sha256/" + h, "overlay2/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"overlay2/" + h + "-init/diff", "overlay2/" + h + "/diff/etc", "overlay2/" + h[:25] + "/lower", "overlay2/..", "../x", "", ".", "/", "engine-id\x00", "engine-id\n",
		"buildkit/content/blobs/sha256/" + h, "buildkit/executor", "containerd/daemon/plugins/x.so", "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
		"containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs", "containerd/daemon/io.containerd.snapshotter.v1.native/snapshots/12", "vfs/dir/" + h, "zfs", ".seed", "content/data/blobs",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		stays := judgePath(path)
		if want := allowList.MatchString(path); stays != want {
			t.Errorf("%q stays: %v, want %v", path, stays, want)
		}
		for name := range strings.SplitSeq(path, "/") {
			if stays && (name == "" || name == "." || name == ".." || strings.ContainsAny(name, "\x00\n ")) {
				t.Errorf("%q stays", path)
			}
		}
	})
}

// FuzzTexts compares the readers of notes and links with the forms that daemons write.
func FuzzTexts(f *testing.F) {
	for _, text := range []string{
		"l/ABCDEFGHIJKLMNOPQRSTUVWXYZ:l/00000000000000000000000000", "l/../../../../etc", "l/ABCDEFGHIJKLMNOPQRSTUVWXYZ:", ":", "", "l/",
		"../" + strings.Repeat("a", 64) + "/diff", "../../etc/diff", "../" + strings.Repeat("a", 64) + "/diff/", "/etc/diff", "..//diff",
		"sha256:" + strings.Repeat("a", 64), "sha256:../x", "trusted.x\x00security.selinux\x00", "user.x", "security.selinux", "security.selinuxx",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if links, err := lowers(text); err == nil && len(links) > 0 {
			if again := "l/" + strings.Join(links, ":l/"); again != text || len(text) != 29*len(links)-1 || strings.Contains(text, ".") {
				t.Errorf("%q lies on %q", text, links)
			}
		}
		if name, ok := layerOf(text); ok && (text != "../"+name+"/diff" || strings.ContainsAny(name, "./") || len(name) != 25 && len(name) != 64) {
			t.Errorf("%q is of layer %q", text, name)
		}
		if name, err := digestOf(text); err == nil && (strings.TrimSpace(text) != "sha256:"+name || strings.Trim(name, "0123456789abcdef") != "") {
			t.Errorf("%q is the digest %q", text, name)
		}
		if usualAttributes([]byte(text)) == nil {
			for name := range strings.SplitSeq(text, "\x00") {
				if strings.HasPrefix(name, "trusted.") || strings.HasPrefix(name, "user.") || name == "security.capability" {
					t.Errorf("%q is usual", name)
				}
			}
		}
		if s := shown(text); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || len(s) > 1000 {
			t.Errorf("%q is shown as %s", text, s)
		}
	})
}
