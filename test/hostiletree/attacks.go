package hostiletree

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// attack is a kind of entry.
type attack struct {
	name string
	// rare says how many times less often the attack comes than others.
	rare int
	// data marks attacks on data roots alone. fatal marks attacks after which no data root may
	// be kept.
	data, fatal bool
	make        func(*planter) error
}

// attacks are all the entries of trees.
var attacks = []attack{
	{name: "file", make: func(p *planter) error { return p.write(p.place(), p.name()) }},
	{name: "directory", make: func(p *planter) error { return p.mkdirs(p.place()) }},
	{name: "link out", make: func(p *planter) error { return p.link(p.place(), p.outside()) }},
	{name: "link within", make: func(p *planter) error { return p.link(p.place(), "./"+p.one(p.dirs)) }},
	{name: "link above", make: func(p *planter) error {
		return p.link(p.place(), strings.Repeat("../", 1+p.rng.IntN(40))+strings.TrimPrefix(p.outside(), "/"))
	}},
	{name: "dangling link", make: func(p *planter) error { return p.link(p.place(), "/no/such/"+p.hex(8)) }},
	{name: "link to itself", make: func(p *planter) error { at := p.place(); return p.link(at, path.Base(at)) }},
	{name: "loop of links", make: func(p *planter) error {
		a, b := p.hex(8), p.hex(8)
		return firstError(p.link(a, b), p.link(b, a))
	}},
	{name: "link in /proc", make: func(p *planter) error { return p.link(p.place(), "/proc/self/root"+p.outside()) }},
	{name: "endless link", make: func(p *planter) error { return p.link(p.place(), strings.Repeat("./", 2000)) }},
	{name: "hard link out", rare: 2, make: func(p *planter) error { return p.hardLink(p.outside()) }},
	{name: "hard link", rare: 1, make: func(p *planter) error {
		if len(p.files) == 0 || p.o.Honest {
			return unix.ENOENT
		}
		return p.root.Link(p.one(p.files), p.place())
	}},
	{name: "character device", rare: 1, make: func(p *planter) error { return p.node(unix.S_IFCHR, unix.Mkdev(1, 3)) }},
	{name: "block device", rare: 1, make: func(p *planter) error { return p.node(unix.S_IFBLK, unix.Mkdev(7, 250)) }},
	{name: "pipe", make: func(p *planter) error { return p.node(unix.S_IFIFO, 0) }},
	{name: "socket", make: func(p *planter) error { return p.node(unix.S_IFSOCK, 0) }},
	{name: "sparse file", rare: 2, make: (*planter).sparse},
	{name: "setuid", make: func(p *planter) error {
		at := path.Join(p.one(p.dirs), p.hex(8))
		return firstError(p.write(at, "#!/bin/sh\n"), p.root.Chmod(at, 0o755|osSetuid))
	}},
	{name: "no rights", make: func(p *planter) error {
		at := path.Join(p.one(p.dirs), p.hex(8))
		return firstError(p.mkdirs(at), p.write(at+"/file", ""), p.root.Chmod(at, 0))
	}},
	{name: "attribute", make: (*planter).attribute},
	{name: "immutable", make: func(p *planter) error { return p.freeze(unix.STATX_ATTR_IMMUTABLE) }},
	{name: "append-only", make: func(p *planter) error { return p.freeze(unix.STATX_ATTR_APPEND) }},
	{name: "depth", rare: 20, make: (*planter).deep},
	{name: "width", rare: 20, make: (*planter).wide},

	// These have led out of a data root, or into the next daemon.
	{name: "old clearing, its directory", data: true, rare: 4, make: func(p *planter) error {
		p.instead(".gone")
		return firstError(p.write(".gone", ""), p.link(".gone-too", p.outside()), p.write("dockerd", "#!/bin/sh\n"))
	}},
	{name: "settings of the daemon", data: true, rare: 4, make: func(p *planter) error {
		return firstError(p.write("daemon.json", `{"hosts":["tcp://0.0.0.0:1"]}`), p.write("config.json", "{}"))
	}},
	{name: "plugin of containerd", data: true, rare: 4, make: func(p *planter) error {
		at := "containerd/daemon/io.containerd.snapshotter.v1." + p.one([]string{"evil", "stargz"})
		if p.o.Honest {
			return p.write("containerd/daemon/plugins/"+p.hex(4)+".so", "code")
		}
		return firstError(p.mkdirs(at+"/snapshots/1"), p.write("containerd/daemon/plugins/"+p.hex(4)+".so", "code"))
	}},
	{name: "plugin of dockerd", data: true, rare: 4, make: func(p *planter) error {
		return p.write("plugins/"+p.hex(64)+"/config.json", "{}")
	}},
	{name: "short names elsewhere", data: true, fatal: true, rare: 4, make: func(p *planter) error {
		p.instead("overlay2/l")
		return firstError(p.link("overlay2/l", p.outside()), p.write("overlay2/"+p.hex(64)+"/link", "file"))
	}},
	{name: "container of what is above", data: true, rare: 4, make: func(p *planter) error {
		at := "image/overlay2/layerdb/mounts/" + p.hex(8)
		return firstError(p.write(at+"/mount-id", "../.."), p.write(at+"/init-id", p.outside()))
	}},
	{name: "layer on what is above", data: true, fatal: true, rare: 4, make: func(p *planter) error {
		at := "overlay2/" + p.hex(64)
		return firstError(p.mkdirs(at+"/diff"), p.write(at+"/link", p.letters(26)), p.write(at+"/lower", "../../../../etc"))
	}},
	{name: "layer elsewhere", data: true, fatal: true, rare: 4, make: func(p *planter) error {
		return p.write("image/overlay2/layerdb/sha256/"+p.hex(64)+"/cache-id", "../../"+p.hex(3))
	}},
	{name: "short name elsewhere", data: true, rare: 1, make: func(p *planter) error {
		return p.link("overlay2/l/"+p.letters(26), p.outside())
	}},
	{name: "half of a layer", data: true, rare: 1, make: func(p *planter) error {
		return p.write(fmt.Sprintf("overlay2/%s/%s", p.hex(64), p.one([]string{"link", "diff/file", "lower"})), p.letters(26))
	}},
	{name: "seed that was never planted", data: true, rare: 4, make: func(p *planter) error { return p.write(".seed", p.hex(12)) }},
	{name: "link for a copy", data: true, rare: 4, make: func(p *planter) error {
		p.instead(".gitlab-dind-executor.part")
		return p.link(".gitlab-dind-executor.part", p.outside())
	}},
}

// firstError returns the first error of several. An attack counts only if all its parts
// succeeded.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
