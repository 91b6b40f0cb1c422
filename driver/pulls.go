package driver

import (
	"sync"
	"time"
)

// Pulls are the pulls of one Prepare.
type Pulls struct {
	Done, Failed int
	// Took is their time, all together, though they go on side by side.
	Took time.Duration
}

// pullCount counts pulls; it is safe for several goroutines.
type pullCount struct {
	mu sync.Mutex
	Pulls
}

func (c *pullCount) add(err error, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Took += took
	if err != nil {
		c.Failed++
		return
	}
	c.Done++
}

func (im *images) pulled() Pulls {
	im.pulls.mu.Lock()
	defer im.pulls.mu.Unlock()
	return im.pulls.Pulls
}
