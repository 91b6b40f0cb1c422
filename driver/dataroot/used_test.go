package dataroot

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Names in the form that daemons give.
var (
	base, mine, chain = strings.Repeat("a", 64), strings.Repeat("b", 25), strings.Repeat("1", 64)
	container         = strings.Repeat("c", 64)
	linkBase          = strings.Repeat("A", 26)
	linkMine          = strings.Repeat("B", 26)
	linkInit          = strings.Repeat("I", 26)
	linkContainer     = strings.Repeat("C", 26)
)

// used fills a directory like dockerd 26 with overlay2. There is an image of one layer, a layer
// of the build cache, and a container. A path that ends in / is a directory; a text that begins
// with -> is a link.
func used(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	plant(t, root, map[string]string{
		"engine-id":                        "26210e32-d22e-4dab-a40d-648383aa9384",
		".seed":                            "seed\n",
		"image/overlay2/repositories.json": `{"Repositories":{}}`,
		"image/overlay2/distribution/diffid-by-digest/sha256/" + chain:        "sha256:" + chain,
		"image/overlay2/imagedb/content/sha256/" + chain:                      "{}",
		"image/overlay2/imagedb/metadata/sha256/" + chain + "/parent":         "sha256:" + chain,
		"image/overlay2/layerdb/sha256/" + chain + "/cache-id":                base,
		"image/overlay2/layerdb/sha256/" + chain + "/diff":                    "sha256:" + chain,
		"image/overlay2/layerdb/sha256/" + chain + "/size":                    "1",
		"image/overlay2/layerdb/sha256/" + chain + "/tar-split.json.gz":       "gz",
		"image/overlay2/layerdb/mounts/" + container + "/mount-id":            container,
		"image/overlay2/layerdb/mounts/" + container + "/init-id":             container + "-init",
		"image/overlay2/layerdb/tmp/":                                         "",
		"overlay2/" + base + "/diff/bin/sh":                                   "program",
		"overlay2/" + base + "/link":                                          linkBase,
		"overlay2/" + base + "/committed":                                     "",
		"overlay2/" + mine + "/diff/":                                         "",
		"overlay2/" + mine + "/link":                                          linkMine,
		"overlay2/" + mine + "/lower":                                         "l/" + linkBase,
		"overlay2/" + mine + "/work/work/":                                    "",
		"overlay2/" + container + "-init/diff/":                               "",
		"overlay2/" + container + "-init/link":                                linkInit,
		"overlay2/" + container + "-init/lower":                               "l/" + linkBase,
		"overlay2/" + container + "/diff/secret":                              "of a job",
		"overlay2/" + container + "/link":                                     linkContainer,
		"overlay2/" + container + "/lower":                                    "l/" + linkInit + ":l/" + linkBase,
		"overlay2/" + container + "/merged/":                                  "",
		"overlay2/l/" + linkBase:                                              "->../" + base + "/diff",
		"overlay2/l/" + linkMine:                                              "->../" + mine + "/diff",
		"overlay2/l/" + linkInit:                                              "->../" + container + "-init/diff",
		"overlay2/l/" + linkContainer:                                         "->../" + container + "/diff",
		"buildkit/cache.db":                                                   "db",
		"buildkit/snapshots.db":                                               "db",
		"buildkit/content/blobs/sha256/" + chain:                              "blob",
		"buildkit/content/ingest/x/data":                                      "half",
		"buildkit/executor/resolv.conf":                                       "nameserver",
		"containerd/daemon/io.containerd.metadata.v1.bolt/meta.db":            "db",
		"containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/": "",
		"containers/" + container + "/config.v2.json":                         "{}",
		"volumes/v1/_data/file":                                               "of a job",
		"plugins/tmp/":                                                        "",
		"network/files/local-kv.db":                                           "db",
	})
	return root
}

// plant makes files, directories and links below a root.
func plant(t *testing.T, root string, all map[string]string) {
	t.Helper()
	for path, text := range all {
		at := filepath.Join(root, path)
		parent := filepath.Dir(at)
		if strings.HasSuffix(path, "/") {
			parent = at
		}
		err := os.MkdirAll(parent, 0o755)
		switch to, link := strings.CutPrefix(text, "->"); {
		case err != nil || parent == at:
		case link:
			err = os.Symlink(to, at)
		default:
			err = os.WriteFile(at, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// paths are all files, links and empty directories below a root.
func paths(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, _ := filepath.Rel(root, path)
		if e.IsDir() {
			if in, err := os.ReadDir(path); err != nil || len(in) > 0 {
				return err
			}
			rest += "/"
		}
		all = append(all, rest)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// stays are the paths of used that Clear keeps.
func stays() []string {
	return []string{
		".seed",
		"buildkit/cache.db",
		"buildkit/content/blobs/sha256/" + chain,
		"buildkit/snapshots.db",
		"engine-id",
		"image/overlay2/distribution/diffid-by-digest/sha256/" + chain,
		"image/overlay2/imagedb/content/sha256/" + chain,
		"image/overlay2/imagedb/metadata/sha256/" + chain + "/parent",
		"image/overlay2/layerdb/sha256/" + chain + "/cache-id",
		"image/overlay2/layerdb/sha256/" + chain + "/diff",
		"image/overlay2/layerdb/sha256/" + chain + "/size",
		"image/overlay2/layerdb/sha256/" + chain + "/tar-split.json.gz",
		"overlay2/" + base + "/committed",
		"overlay2/" + base + "/diff/bin/sh",
		"overlay2/" + base + "/link",
		"overlay2/" + mine + "/diff/",
		"overlay2/" + mine + "/link",
		"overlay2/" + mine + "/lower",
		"overlay2/" + mine + "/work/work/",
		"overlay2/l/" + linkBase,
		"overlay2/l/" + linkMine,
	}
}

func isExactly(t *testing.T, root string, want []string) {
	t.Helper()
	got := paths(t, root)
	for _, p := range want {
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+p+"\n") {
			t.Errorf("missing is %s", p)
		}
	}
	if len(got) > len(want) {
		t.Errorf("there is\n%s", strings.Join(got, "\n"))
	}
}
