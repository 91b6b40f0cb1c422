package images

import (
	"slices"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/driver/plan"
)

// Pulls counts the pulls of one Prepare.
type Pulls struct {
	Done, Failed int
	// Took is the sum of their times, though pulls go on side by side.
	Took time.Duration
	// Each are the first of them, in the order of their ends.
	Each []Pull
}

// Pull is one of them.
type Pull struct {
	Image string
	Began time.Time
	Took  time.Duration
	// Size is how many bytes the engine spoke of; 0 where it spoke of none.
	Size   int64
	Failed bool
}

// mostPulls bounds Each. A job has one for each image.
const mostPulls = 50

// pullCount counts pulls, for several goroutines.
type pullCount struct {
	mu sync.Mutex
	Pulls
}

func (c *pullCount) add(err error, p Pull) {
	p.Took, p.Failed = time.Since(p.Began), err != nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Took += p.Took
	if len(c.Each) < mostPulls {
		c.Each = append(c.Each, p)
	}
	if err != nil {
		c.Failed++
		return
	}
	c.Done++
}

// Pulled are the pulls so far.
func (im *Set) Pulled() Pulls {
	im.pulls.mu.Lock()
	defer im.pulls.mu.Unlock()
	p := im.pulls.Pulls
	p.Each = slices.Clone(p.Each)
	return p
}

// UsedImage is an image of a job.
type UsedImage struct {
	Name string
	// Digest is a digest known to the image's registry, else the image's id: sha256:…
	Digest string
	// Fetched says that this job has fetched it.
	Fetched bool
}

// usedImages are the images of one Prepare that the job asked for, for several goroutines.
type usedImages struct {
	mu   sync.Mutex
	list []UsedImage
	// fetched are names.
	fetched []string
}

func (u *usedImages) fetch(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fetched = append(u.fetched, name)
}

// Note records an image that the job log names.
func (im *Set) Note(ref plan.ImageRef, digest string) {
	if !ref.Announce {
		return
	}
	im.used.mu.Lock()
	defer im.used.mu.Unlock()
	if one := (UsedImage{Name: ref.Name, Digest: digest}); !slices.Contains(im.used.list, one) {
		im.used.list = append(im.used.list, one)
	}
}

// Named are the images so far, by name.
func (im *Set) Named() []UsedImage {
	im.used.mu.Lock()
	defer im.used.mu.Unlock()
	list := slices.Clone(im.used.list)
	for i := range list {
		list[i].Fetched = slices.Contains(im.used.fetched, list[i].Name)
	}
	return slices.SortedFunc(slices.Values(list), func(a, b UsedImage) int { return strings.Compare(a.Name, b.Name) })
}
