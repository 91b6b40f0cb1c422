package hostiletree

import (
	"context"
	"math/rand/v2"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Disturb changes a tree until the context ends, and returns the number of changes. The changes
// swap entries, replace directories by links, move them away and back, and write into files.
// Let Disturb return before you look at the tree.
func Disturb(ctx context.Context, root string, o Options) (int, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	p := &planter{root: r, rng: rand.New(rand.NewPCG(uint64(o.Seed), 13)), o: o, report: Report{}}
	done := 0
	for ctx.Err() == nil {
		p.dirs, p.files = []string{"."}, nil
		p.survey()
		for range 50 {
			if ctx.Err() == nil && p.disturb() == nil {
				done++
			}
		}
	}
	return done, nil
}

// disturb makes a single change.
func (p *planter) disturb() error {
	all := append(p.dirs[1:len(p.dirs):len(p.dirs)], p.files...)
	if len(all) == 0 {
		return p.write(p.place(), "")
	}
	at, other := p.one(all), p.one(all)
	switch p.rng.IntN(6) {
	case 0: // two entries have each other's names
		return p.in(at, func(a int, name string) error {
			return p.in(other, func(b int, as string) error { return unix.Renameat2(a, name, b, as, unix.RENAME_EXCHANGE) })
		})
	case 1: // a link where something was
		return p.in(at, func(fd int, name string) error {
			if err := unix.Renameat(fd, name, fd, p.hex(8)); err != nil {
				return err
			}
			return unix.Symlinkat(p.outside(), fd, name)
		})
	case 2: // a pipe where something was
		return p.in(at, func(fd int, name string) error {
			if err := unix.Renameat(fd, name, fd, p.hex(8)); err != nil {
				return err
			}
			return unix.Mknodat(fd, name, unix.S_IFIFO|0o666, 0)
		})
	case 3: // a directory goes elsewhere
		return p.root.Rename(at, path.Join(p.one(p.dirs), p.hex(8)))
	case 4:
		return p.write(path.Join(p.one(p.dirs), p.hex(8)), "new")
	}
	return p.mkdirs(path.Join(p.one(p.dirs), p.hex(8)))
}
