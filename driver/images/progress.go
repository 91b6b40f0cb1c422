package images

import (
	"fmt"
	"sync"
	"time"

	"gitlab-dind-executor/config"
)

// progressEvery keeps a long pull from looking dead without filling the log.
const progressEvery = 10 * time.Second

// watch follows a pull, and says how far the pull is. After ever longer pauses a line says so
// when nothing comes. An engine waiting for a registry is silent for minutes.
type watch struct {
	set  *Set
	name string

	mu sync.Mutex
	// since is the time of the engine's last message, next that of the next line.
	since, next time.Time
	// pause is how long the next silence may be, and timer ends the silence.
	pause time.Duration
	timer *time.Timer
	ended bool
}

// watch begins to follow a pull. The caller ends the watch.
func (im *Set) watch(name string) *watch {
	now := time.Now()
	w := &watch{set: im, name: name, since: now, next: now.Add(progressEvery), pause: im.Store.Silence}
	if w.pause > 0 {
		w.mu.Lock() // the timer may fire before w.timer is set
		defer w.mu.Unlock()
		w.timer = time.AfterFunc(w.pause, w.silent)
	}
	return w
}

// heard notes a message of the engine, with the fetched bytes and the bytes of all known layers.
func (w *watch) heard(current, total int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.since, w.pause = now, w.set.Store.Silence
	if w.timer != nil {
		w.timer.Reset(w.pause)
	}
	switch {
	case total <= 0:
	case w.set.Progress != nil:
		w.set.Progress(w.name, current, total)
	case now.After(w.next) && current < total:
		w.next = now.Add(progressEvery)
		w.set.Say(fmt.Sprintf("pulling %s: %s of %s", w.name, config.Size(current), config.Size(total)))
	}
}

// silent says how long nothing has come, and doubles the pause.
func (w *watch) silent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	if quiet := time.Since(w.since); quiet >= w.pause {
		w.set.Say(fmt.Sprintf("pulling %s: the engine has told nothing for %s", w.name, max(time.Second, quiet.Round(time.Second))))
		w.pause *= 2
	}
	w.timer.Reset(w.pause)
}

// end ends the watch.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
