package rig

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDiff(t *testing.T) {
	job := Object{Kind: "container", ID: "c1", Name: "dind-1-job", Detail: "busybox, running"}
	stopped := Object{Kind: "container", ID: "c1", Name: "dind-1-job", Detail: "busybox, exited"}
	renamed := Object{Kind: "container", ID: "c1", Name: "dind-2-job", Detail: "busybox, exited"}
	network := Object{Kind: "network", ID: "n1", Name: "dind-1"}
	namesake := Object{Kind: "network", ID: "n2", Name: "dind-1"}
	volume := Object{Kind: "volume", ID: "c1", Name: "c1"}

	tests := []struct {
		name          string
		before, after Objects
		want          string
	}{
		{"nothing and nothing are alike", nil, nil, ""},
		{"the same lists are alike", Objects{job, network}, Objects{job, network}, ""},
		{"the order does not matter", Objects{job, network}, Objects{network, job}, ""},
		{"another state is no difference", Objects{job}, Objects{stopped}, ""},
		{"what came has a plus", Objects{network}, Objects{job, network}, "+ container dind-1-job (busybox, running)\n"},
		{"what went has a minus", Objects{job, network}, Objects{job}, "- network dind-1\n"},
		{"a new object with an old name is another", Objects{network}, Objects{namesake}, "- network dind-1\n+ network dind-1\n"},
		{"a new name is told", Objects{job}, Objects{renamed}, "~ container dind-2-job (busybox, exited), was dind-1-job\n"},
		{"kinds do not mix", Objects{job}, Objects{volume}, "- container dind-1-job (busybox, running)\n+ volume c1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Diff(tt.before, tt.after); got != tt.want {
				t.Errorf("Diff = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWaitAlike(t *testing.T) {
	network := Object{Kind: "network", ID: "n1", Name: "dind-1"}
	broken := errors.New("the engine is gone")
	tests := []struct {
		name  string
		lists []Objects // one for each look, the last for all further
		err   error     // of each look
		want  string    // part of the error; "" for none
	}{
		{"it returns at once when nothing has changed", []Objects{nil}, nil, ""},
		{"it waits for an object to go", []Objects{{network}, {network}, nil}, nil, ""},
		{"it names what stays", []Objects{{network}}, nil, "+ network dind-1"},
		{"it does not wait for an engine that refuses", []Objects{nil}, broken, broken.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*settleEvery)
			defer cancel()
			look := 0
			err := waitAlike(ctx, nil, func(context.Context) (Objects, error) {
				list := tt.lists[min(look, len(tt.lists)-1)]
				look++
				return list, tt.err
			})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// recorder is a test whose outcome another test looks at.
type recorder struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
	errors   []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any)        { r.errors = append(r.errors, args[0].(error).Error()) }

func TestUnchangedWaitsForWhatIsGoing(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	inner := &recorder{TB: t, ctx: t.Context()}
	Unchanged(inner, cli)

	name := UniqueName("unchanged")
	createVolume(t, cli, name, nil)
	gone := make(chan error, 1)
	go func() {
		time.Sleep(2 * settleEvery) // so that the first look sees the volume
		gone <- removeVolume(t.Context(), cli, name)
	}()
	inner.cleanups[0]()
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	if len(inner.errors) > 0 {
		t.Errorf("Unchanged reports %q, want nothing", inner.errors)
	}
}
