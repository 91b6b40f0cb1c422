package notice

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// LinkLocal is the address of the metadata service in all three clouds.
const LinkLocal = "http://169.254.169.254"

// Notice is a cloud's announcement of this host's end.
type Notice struct {
	// Cloud is AWS, Google Cloud or Azure.
	Cloud string
	// Why is a reason from this package's own list.
	Why string
	// At is the time of the end. The zero time means: the cloud names none.
	At time.Time
}

// String returns a notice for a person.
func (n Notice) String() string {
	if n.At.IsZero() {
		return fmt.Sprintf("%s takes this host away: %s", n.Cloud, n.Why)
	}
	return fmt.Sprintf("%s takes this host away at %s: %s", n.Cloud, n.At.UTC().Format(time.RFC3339), n.Why)
}

// Watch holds the address and the times of the questions.
type Watch struct {
	// Base is the URL of the metadata service, LinkLocal except in tests.
	Base string
	// Every is the pause between two questions. AWS recommends 5 s.
	Every time.Duration
	// SearchEvery is the pause where no cloud has answered.
	SearchEvery time.Duration
	// Ahead is the time before the end from which a notice counts. Azure announces that
	// hardware may fail up to 7 days ahead.
	Ahead time.Duration
	// Rebalance counts AWS's recommendation to rebalance as a notice.
	Rebalance bool
	// Say gets lines for people.
	Say func(line string)
}

// Wait returns the cloud's notice about this host, or the error of ctx. A host without a
// cloud waits until ctx ends. Faults of the metadata service are reported once and never
// count as a notice.
func (w Watch) Wait(ctx context.Context) (Notice, error) {
	base, err := url.Parse(w.Base)
	if err != nil || base.Scheme != "http" || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return Notice{}, fault.System(fmt.Errorf("%q is no address of a metadata service", w.Base), "give one such as "+LinkLocal)
	}
	a := newAsker(w.Base)
	defer a.client.CloseIdleConnections()
	var here *cloud
	said := state(-1)
	tell := func(now state, line string) {
		if now != said {
			w.Say(line)
			said = now
		}
	}
	for {
		pause := w.Every
		if here == nil {
			here = a.find(ctx)
		}
		if ctx.Err() != nil {
			return Notice{}, ctx.Err()
		}
		if here == nil {
			tell(nowhere, "no cloud answers at "+w.Base)
			pause = w.SearchEvery
		} else {
			n, err := here.look(ctx, a, w.Rebalance)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				tell(failing, fmt.Sprintf("%s does not say whether it takes this host away: %.*s", here.name, maxFault, wary.Line(err.Error())))
			case n.Why != "":
				n.Cloud = here.name
				if n.At.IsZero() || n.At.Sub(a.now()) <= w.Ahead {
					return n, nil
				}
				tell(later, fmt.Sprintf("%s; the drain begins %s before", n, w.Ahead))
			default:
				tell(asking, fmt.Sprintf("%s is asked every %s whether it takes this host away", here.name, w.Every))
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Notice{}, ctx.Err()
		}
	}
}

// state is the state of a watch. Only a change is reported: texts of faults differ each time,
// as by the port of a connection.
type state int

const (
	nowhere state = iota
	asking
	failing
	later
)

// maxFault bounds the text of a fault, in characters: errors quote answers.
const maxFault = 300

// find returns the cloud of this host, or nil.
func (a asker) find(ctx context.Context) *cloud {
	for _, c := range clouds {
		if c.here(ctx, a) {
			return &c
		}
	}
	return nil
}
