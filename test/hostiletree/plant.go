package hostiletree

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Kind is the purpose of a directory.
type Kind string

// The kinds.
const (
	// DataRoot is the /var/lib/docker of a daemon with images. Attacks lie where a daemon
	// looks.
	DataRoot Kind = "data"
	// Project is a job's project directory, with its sources.
	Project Kind = "project"
)

// Options describe a tree.
type Options struct {
	Kind Kind
	// Seed decides everything else.
	Seed int64
	// Entries is roughly the greatest number of entries besides a daemon's own, and Depth their
	// greatest depth.
	Entries, Depth int
	// Outside are the targets of links and hard links.
	Outside []string
	// Honest leaves out fatal attacks, so that some data roots must be kept.
	Honest bool
	// Filled says: the directory already has the files of a daemon.
	Filled bool
}

// Report counts the entries of each kind. Forbidden kinds are missing: a job without privileges
// has no devices and no flags.
type Report map[string]int

// Plant makes a tree in a directory.
func Plant(root string, o Options) (Report, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p := &planter{root: r, rng: rand.New(rand.NewPCG(uint64(o.Seed), 11)), o: o, report: Report{}}
	p.plant()
	return p.report, nil
}

// planter makes a single tree.
type planter struct {
	root   *os.Root
	rng    *rand.Rand
	o      Options
	report Report
	// dirs and files are the existing entries, for more entries in them and of them.
	dirs, files []string
	made        int
	// frozen are the flags. They come last, because nothing can be put into frozen directories.
	frozen []func() error
}

func (p *planter) plant() {
	p.dirs = []string{"."}
	if p.o.Filled {
		p.survey()
	} else if p.o.Kind == DataRoot && p.rng.IntN(8) > 0 {
		p.daemon()
	}
	p.o.Entries += p.made // besides the daemon's
	for p.made < p.o.Entries {
		p.made++ // even if the attempt fails
		a := attacks[p.rng.IntN(len(attacks))]
		if a.data && p.o.Kind != DataRoot || a.fatal && p.o.Honest || p.rng.IntN(a.rare+1) > 0 {
			continue
		}
		if a.make(p) == nil {
			p.report[a.name]++
		}
	}
	for _, freeze := range p.frozen {
		if freeze() == nil {
			p.report["frozen"]++
		}
	}
}

// survey learns the existing entries of a directory, down to the daemons' notes about layers.
func (p *planter) survey() {
	_ = fs.WalkDir(p.root.FS(), ".", func(at string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case e.IsDir() && (path.Base(at) == "diff" || path.Base(at) == "fs"):
			return fs.SkipDir
		case e.IsDir():
			p.dirs = append(p.dirs, at)
		case e.Type().IsRegular():
			p.files = append(p.files, at)
		}
		return nil
	})
}

func (p *planter) one(of []string) string { return of[p.rng.IntN(len(of))] }

// chance is true once in so many calls.
func (p *planter) chance(in int) bool { return p.rng.IntN(in) == 0 }

// name is a new, often odd name.
func (p *planter) name() string {
	switch p.rng.IntN(6) {
	case 0:
		return strings.Repeat(string(rune('a'+p.rng.IntN(26))), 255)
	case 1:
		b := make([]byte, 1+p.rng.IntN(255))
		for i := range b {
			for b[i] == 0 || b[i] == '/' {
				b[i] = byte(p.rng.IntN(256))
			}
		}
		if s := string(b); s != "." && s != ".." {
			return s
		}
	case 2:
		return p.one(odd)
	}
	return p.hex(8)
}

// odd are names for shells, terminals and careless programs to stumble over.
var odd = []string{
	"-rf", "--", "*", "a b", "a\nb", "\x1b[2J", "\xff\xfe", "...", ". .", "~", "$(id)", "`id`", ";id", "|", "é", "\u202e", " ", "\t", "\\", "'", "\"",
	".gone", ".gone-too", ".part", "core", "nul", "CON", "%s", "%n", "\r", "\x7f", "..\\", "{}", "[a-z]", "?",
}

func (p *planter) hex(n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[p.rng.IntN(16)]
	}
	return string(b)
}

func (p *planter) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('A' + p.rng.IntN(26))
	}
	return string(b)
}

// place is a path for a new entry. Often daemons know the path, and often an entry has the path
// already.
func (p *planter) place() string {
	if p.o.Kind == DataRoot && p.chance(3) {
		at := p.one(known)
		if !p.o.Honest || strings.HasPrefix(at, ".") && at != ".seed" {
			return at
		}
	}
	return path.Join(p.one(p.dirs), p.name())
}

// mkdirs makes a directory and its parents.
func (p *planter) mkdirs(at string) error {
	err := p.root.MkdirAll(at, 0o755)
	if err == nil {
		p.dirs = append(p.dirs, at)
	}
	return err
}

// write makes a file, with the directories above, and opens no existing file.
func (p *planter) write(at, text string) error {
	_ = p.root.MkdirAll(path.Dir(at), 0o755)
	f, err := p.root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	p.files = append(p.files, at)
	p.made++
	return errors.Join(err, f.Close())
}

// instead removes the entry at a path, if any. In an honest data root nothing of a daemon is
// removed.
func (p *planter) instead(at string) {
	if !p.o.Honest && at != "." && at != "" {
		_ = p.root.RemoveAll(at)
	}
	_ = p.root.MkdirAll(path.Dir(at), 0o755)
}

// in calls do with the directory above a path, and the last name of the path, for system calls
// without a counterpart in os.Root.
func (p *planter) in(at string, do func(dirfd int, name string) error) error {
	d, err := p.root.OpenFile(path.Dir(at), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return do(int(d.Fd()), path.Base(at))
}
