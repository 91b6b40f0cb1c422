package boot

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// portOf takes the port of a daemon without TLS at an address of its own, and does not answer
// there.
func portOf(t *testing.T) net.Listener {
	t.Helper()
	for last := 1; last < 255; last++ {
		l, err := net.Listen("tcp4", net.JoinHostPort(net.IPv4(127, 33, byte(time.Now().UnixNano()>>10), byte(last)).String(), "2375"))
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return l
		}
	}
	t.Fatal("no address is free")
	return nil
}

// queueing starts a sidecar with an address and labels, and awaits its daemon. queues reports the
// open port, and over the end.
type queueing struct {
	e      *fakeengine.Engine
	queues chan struct{}
	over   chan error
	docker string
}

func startQueueing(ctx context.Context, t *testing.T, l net.Listener, started time.Time, labels map[string]string) *queueing {
	t.Helper()
	e, b := onAFakeEngine(t)
	e.ExecCode = 1
	e.OnStart = func(c *fakeengine.Container) {
		c.Host = map[string]any{"NetworkMode": label.NetworkName("aaaaaaaaaaaa")}
		c.IP, c.Started = l.Addr().(*net.TCPAddr).IP.String(), started
	}
	e.AddContainer("sidecar", labels, false)
	if err := b.eng.Start(t.Context(), "sidecar"); err != nil {
		t.Fatal(err)
	}
	q := &queueing{e: e, queues: make(chan struct{}), over: make(chan error, 1)}
	go func() {
		docker, err := b.Await(ctx, "aaaaaaaaaaaa", "sidecar", plan.Given{}, func() { close(q.queues) })
		q.docker = docker
		q.over <- err
	}()
	return q
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var itQueues = map[string]string{label.Queues: "true"}

func TestADaemonQueuesBeforeItAnswers(t *testing.T) {
	t.Parallel()
	l := portOf(t)
	q := startQueueing(within(t), t, l, time.Now(), itQueues)
	select {
	case <-q.queues:
	case err := <-q.over:
		t.Fatalf("it ended before: %v", err)
	}
	select {
	case err := <-q.over:
		t.Fatalf("it counts as up before it answers: %v", err)
	default:
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(docker)}}
	server.Start()
	defer server.Close()
	if err := <-q.over; err != nil || q.docker != "28.1.1" {
		t.Errorf("version %q, %v", q.docker, err)
	}
}

func TestADaemonThatQueuesAndEndsOrNeverAnswersIsAFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ends bool
		says string
	}{"it ends": {true, "exited with code 3 before it answered"}, "it never answers": {false, ErrNotReady.Error()}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, ErrNotReady)
			defer cancel()
			bounded, end := context.WithCancelCause(ctx)
			defer end(nil)
			q := startQueueing(bounded, t, portOf(t), time.Now(), itQueues)
			select {
			case <-q.queues:
			case err := <-q.over:
				t.Fatalf("it ended before: %v", err)
			}
			if c.ends {
				q.e.Exit("sidecar", 3)
			} else {
				end(ErrNotReady)
			}
			err := <-q.over
			if err == nil || !strings.Contains(err.Error(), c.says) || !errors.As(err, new(*Broken)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestWhoseDaemonDoesNotQueue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		started time.Time
		labels  map[string]string
	}{
		"an image of its own":          {time.Now(), nil},
		"a host that is slow":          {time.Now().Add(-5 * time.Second), itQueues},
		"an engine that does not tell": {time.Time{}, itQueues},
		"a clock that is behind":       {time.Now().Add(time.Hour), itQueues},
	} {
		t.Run(name, func(t *testing.T) {
			l := portOf(t)
			connected := make(chan struct{})
			go func() {
				if conn, err := l.Accept(); err == nil {
					close(connected)
					_ = conn.Close() // no answer, so the hook asks again
				}
				server := &http.Server{Handler: http.HandlerFunc(docker), ReadHeaderTimeout: time.Second}
				_ = server.Serve(l)
			}()
			q := startQueueing(within(t), t, l, c.started, c.labels)
			if err := <-q.over; err != nil {
				t.Fatal(err)
			}
			<-connected
			select {
			case <-q.queues:
				t.Error("scripts begin before the daemon answers")
			default:
			}
		})
	}
}
