// Package progress shows the progress of long work. A terminal has a bar below the lines.
// Other outputs have the lines alone.
//
// It may import config and wary.
package progress

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/moby/term"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/wary"
)

// part is the share of a step in the bar's length.
const part = 1000

// Show shows the steps of long work, in order, and is safe for several goroutines. A Show
// without a bar only passes lines on.
type Show struct {
	out, err io.Writer
	steps    int

	mu   sync.Mutex
	step int
	name string
	bars *mpb.Progress
	bar  *mpb.Bar
	// text stands beside the bar. The bar's own goroutine reads the text without a lock, since
	// a caller with the lock may wait for the bar.
	text atomic.Pointer[beside]
}

// beside has the texts left and right of a bar.
type beside struct{ left, right string }

// Terminal tells whether a writer is a terminal with room for a bar. kind is the value of TERM.
func Terminal(w io.Writer, kind string) bool {
	_, is := term.GetFdInfo(w)
	return is && kind != "" && kind != "dumb"
}

// New shows work of so many steps. Lines go to out and err. With drawn, a bar stands below
// the lines of err.
func New(out, err io.Writer, steps int, drawn bool) *Show {
	s := &Show{out: out, err: err, steps: max(1, steps)}
	if drawn {
		s.draw()
	}
	return s
}

// draw makes the bar.
func (s *Show) draw(options ...mpb.ContainerOption) {
	s.text.Store(&beside{})
	left := func(decor.Statistics) string { return s.text.Load().left }
	right := func(decor.Statistics) string { return s.text.Load().right }
	s.bars = mpb.New(append(options, mpb.WithOutput(s.err), mpb.WithAutoRefresh())...)
	s.bar = s.bars.AddBar(int64(s.steps)*part,
		mpb.PrependDecorators(decor.Any(left)),
		mpb.AppendDecorators(decor.Any(right), decor.Elapsed(decor.ET_STYLE_MMSS)),
	)
}

// Begin begins the next step.
func (s *Show) Begin(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(name)
}

func (s *Show) begin(name string) {
	s.step, s.name = min(s.step+1, s.steps), name
	s.move(0, "")
}

// Bytes moves the bar within the step with this name, by bytes done of total. A new name
// begins a step.
func (s *Show) Bytes(name string, current, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != s.name {
		s.begin(name)
	}
	if total > 0 {
		s.move(min(part-1, max(0, current)*part/total),
			config.Size(current).String()+" of "+config.Size(total).String()+" ")
	}
}

// Telling returns Bytes if there is a bar, else nil. Without a bar, lines report the bytes.
func (s *Show) Telling() func(name string, current, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar == nil {
		return nil
	}
	return s.Bytes
}

// move moves the bar within a step.
func (s *Show) move(done int64, right string) {
	if s.bar == nil {
		return
	}
	s.text.Store(&beside{fmt.Sprintf("%d of %d: %s", s.step, s.steps, wary.Line(s.name)), right})
	s.bar.SetCurrent(int64(s.step-1)*part + done)
}

// End takes the bar away. Lines go on.
func (s *Show) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar == nil {
		return
	}
	s.bar.Abort(true)
	s.bars.Wait()
	s.bar, s.bars = nil, nil
}

// Out takes whole lines for out, above the bar.
func (s *Show) Out() io.Writer { return lines{s, s.out} }

// Err takes whole lines for err, above the bar.
func (s *Show) Err() io.Writer { return lines{s, s.err} }

// lines is a writer above the bar.
type lines struct {
	show *Show
	to   io.Writer
}

func (l lines) Write(p []byte) (int, error) {
	l.show.mu.Lock()
	defer l.show.mu.Unlock()
	_, terminal := term.GetFdInfo(l.to)
	if l.show.bars != nil && (terminal || l.to == l.show.err) {
		// After a failure to draw, the bar takes no lines either.
		if n, err := l.show.bars.Write(p); err == nil {
			return n, nil
		}
	}
	return l.to.Write(p)
}
