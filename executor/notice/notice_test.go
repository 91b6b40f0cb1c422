package notice

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fake is a metadata service. It answers by method and path, and only to requests with the
// cloud's header.
type fake struct {
	mu      sync.Mutex
	says    map[string]string
	header  [2]string
	flavour string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	said, known := f.says[r.Method+" "+r.URL.RequestURI()]
	if f.flavour != "" {
		w.Header().Set("Metadata-Flavor", f.flavour)
	}
	switch {
	case !known:
		http.NotFound(w, r)
	case r.Method == http.MethodGet && r.Header.Get(f.header[0]) != f.header[1]:
		http.Error(w, "unauthorized", http.StatusUnauthorized)
	default:
		_, _ = w.Write([]byte(said))
	}
}

func (f *fake) set(question, said string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.says[question] = said
}

const (
	token     = "PUT /latest/api/token"
	meta      = "GET /latest/meta-data/"
	google    = "GET /computeMetadata/v1/instance/"
	azureHost = "GET /metadata/instance/compute/name?api-version=2021-02-01&format=text"
	events    = "GET /metadata/scheduledevents?api-version=2020-07-01"
)

func onAWS() *fake {
	return &fake{header: [2]string{"X-aws-ec2-metadata-token", "a-token"}, says: map[string]string{
		token: "a-token", meta + "instance-id": "i-0123456789abcdef0", meta + "autoscaling/target-lifecycle-state": "InService",
	}}
}

func onGoogle() *fake {
	return &fake{header: [2]string{"Metadata-Flavor", "Google"}, flavour: "Google", says: map[string]string{
		google + "id": "4711", google + "preempted": "FALSE", google + "maintenance-event": "NONE",
	}}
}

func onAzure() *fake {
	return &fake{header: [2]string{"Metadata", "true"}, says: map[string]string{
		azureHost: "builds_3", events: `{"DocumentIncarnation":1,"Events":[]}`,
	}}
}

// event is an event of Azure's for the host with this name.
func event(kind, host, status, before string) string {
	return `{"DocumentIncarnation":2,"Events":[{"EventId":"A","EventType":"` + kind + `","ResourceType":"VirtualMachine","Resources":["` + host + `"],"EventStatus":"` + status + `","NotBefore":"` + before + `","Description":"","EventSource":"Platform","DurationInSeconds":-1}]}`
}

// always is further ahead than any time of these tests.
const always = 200 * 365 * 24 * time.Hour

// watch waits for a notice of a service, or for a line after which no notice follows. watch
// returns notice and lines.
func watch(t *testing.T, service http.Handler, rebalance bool, change func()) (Notice, []string) {
	t.Helper()
	server := httptest.NewServer(service)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var said []string
	w := Watch{Base: server.URL, Every: time.Millisecond, SearchEvery: time.Millisecond, Ahead: always, Rebalance: rebalance, Say: func(line string) {
		said = append(said, line)
		if change == nil {
			cancel()
			return
		}
		change()
	}}
	n, err := w.Wait(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return n, said
}

func TestEachCloudSaysThatItTakesTheHostAway(t *testing.T) {
	for name, c := range map[string]struct {
		cloud           *fake
		question, said  string
		rebalance       bool
		want, wantCloud string
		at              bool
	}{
		"AWS interrupts a spot instance":     {cloud: onAWS(), question: meta + "spot/instance-action", said: `{"action":"terminate","time":"2026-09-18T08:22:00Z"}`, want: "the spot instance is interrupted", wantCloud: "AWS", at: true},
		"AWS stops a spot instance":          {cloud: onAWS(), question: meta + "spot/instance-action", said: `{"action":"stop","time":"2026-09-18T08:22:00Z"}`, want: "the spot instance is interrupted", wantCloud: "AWS", at: true},
		"AWS takes a host from its group":    {cloud: onAWS(), question: meta + "autoscaling/target-lifecycle-state", said: "Terminated", want: "the autoscaling group ends it", wantCloud: "AWS"},
		"AWS recommends to rebalance":        {cloud: onAWS(), rebalance: true, question: meta + "events/recommendations/rebalance", said: `{"noticeTime":"2026-11-05T08:22:00Z"}`, want: "the spot instance may soon be interrupted", wantCloud: "AWS"},
		"Google preempts":                    {cloud: onGoogle(), question: google + "preempted", said: "TRUE", want: "it is preempted", wantCloud: "Google Cloud", at: true},
		"Google ends a host for maintenance": {cloud: onGoogle(), question: google + "maintenance-event", said: "TERMINATE_ON_HOST_MAINTENANCE", want: "maintenance ends it", wantCloud: "Google Cloud"},
		"Azure evicts":                       {cloud: onAzure(), question: events, said: event("Preempt", "builds_3", "Scheduled", "Mon, 19 Oct 2026 18:29:47 GMT"), want: "the spot host is evicted", wantCloud: "Azure", at: true},
		"Azure deletes":                      {cloud: onAzure(), question: events, said: event("Terminate", "Builds_3", "Scheduled", "Mon, 19 Oct 2026 18:29:47 GMT"), want: "it is deleted", wantCloud: "Azure", at: true},
		"Azure reboots":                      {cloud: onAzure(), question: events, said: event("Reboot", "builds_3", "Scheduled", "Mon, 19 Oct 2026 18:29:47 GMT"), want: "it is rebooted", wantCloud: "Azure", at: true},
		"Azure has begun to delete":          {cloud: onAzure(), question: events, said: event("Terminate", "builds_3", "Started", ""), want: "it is deleted", wantCloud: "Azure", at: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, said := watch(t, c.cloud, c.rebalance, func() { c.cloud.set(c.question, c.said) })
			if n.Cloud != c.wantCloud || n.Why != c.want || n.At.IsZero() == c.at {
				t.Errorf("the notice is %+v", n)
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], c.wantCloud+" is asked every") {
				t.Errorf("it said %q", said)
			}
		})
	}
}

func TestWhatIsNoNotice(t *testing.T) {
	for name, c := range map[string]struct {
		cloud          *fake
		question, said string
		says           string
	}{
		"a recommendation that nobody asked for":    {onAWS(), meta + "events/recommendations/rebalance", `{"noticeTime":"2026-11-05T08:22:00Z"}`, "AWS is asked"},
		"a warm pool":                               {onAWS(), meta + "autoscaling/target-lifecycle-state", "Warmed:Stopped", "AWS is asked"},
		"a page in place of an action":              {onAWS(), meta + "spot/instance-action", "<html>Terminated</html>", "AWS does not say whether it takes this host away: spot/instance-action: "},
		"an action that nobody knows":               {onAWS(), meta + "spot/instance-action", `{"action":"` + "\x1b[31m$(reboot)" + `"}`, "AWS does not say"},
		"an action that is too long":                {onAWS(), meta + "spot/instance-action", strings.Repeat("x", maxAnswer+1), "AWS does not say whether it takes this host away: the answer is too long"},
		"a time that is too long":                   {onAWS(), meta + "spot/instance-action", `{"action":"stop","time":"` + strings.Repeat("x", maxAnswer/2) + `"}`, "AWS does not say"},
		"a command in place of a state":             {onAWS(), meta + "autoscaling/target-lifecycle-state", "$(touch /tmp/made)", "AWS is asked"},
		"a host that moves while it runs":           {onGoogle(), google + "maintenance-event", "MIGRATE_ON_HOST_MAINTENANCE", "Google Cloud is asked"},
		"neither yes nor no":                        {onGoogle(), google + "preempted", "true; reboot", "Google Cloud is asked"},
		"the end of another host of the scale set":  {onAzure(), events, event("Terminate", "builds_30", "Scheduled", "Mon, 19 Oct 2026 18:29:47 GMT"), "Azure is asked"},
		"a host that is held for seconds":           {onAzure(), events, event("Freeze", "builds_3", "Scheduled", "Mon, 19 Oct 2026 18:29:47 GMT"), "Azure is asked"},
		"a reboot from which the host is back":      {onAzure(), events, event("Reboot", "builds_3", "Started", ""), "Azure is asked"},
		"a move from which the host is back":        {onAzure(), events, event("Redeploy", "builds_3", "Started", "Mon, 19 Oct 2026 18:29:47 GMT"), "Azure is asked"},
		"an event at a time that nobody knows":      {onAzure(), events, event("Reboot", "builds_3", "Scheduled", "soon\\u001b[31m"), "Azure does not say whether it takes this host away: scheduledevents: "},
		"events that are none":                      {onAzure(), events, `{"Events":"Terminate"}`, "Azure does not say whether it takes this host away: scheduledevents: "},
		"a cloud that is none of these (OpenStack)": {&fake{says: map[string]string{meta + "instance-id": "i-1", meta + "spot/instance-action": `{"action":"stop"}`}}, "", "", "no cloud answers at http://127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cloud.set(c.question, c.said)
			n, said := watch(t, c.cloud, false, nil)
			if n != (Notice{}) || len(said) != 1 || !strings.HasPrefix(said[0], c.says) || len(said[0]) > 1000 {
				t.Errorf("the notice is %+v, and it said %.1000q", n, said)
			}
		})
	}
}

// The same page for all questions, as from a portal with a login, is no cloud's.
func TestAPageForAllQuestionsIsNoCloud(t *testing.T) {
	n, said := watch(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>log in</html>")) }), true, nil)
	if n != (Notice{}) || len(said) != 1 || !strings.HasPrefix(said[0], "no cloud answers at ") {
		t.Errorf("the notice is %+v, and it said %q", n, said)
	}
}

// A service that fails, even for long, is reported once, and again at the end of the
// failure.
func TestAServiceThatFailsIsNoNotice(t *testing.T) {
	f := onGoogle()
	step := 0
	n, said := watch(t, f, false, func() {
		switch step++; step {
		case 1:
			f.set(google+"preempted", strings.Repeat("x", maxAnswer+1))
		case 2:
			f.set(google+"preempted", "FALSE")
		case 3:
			f.set(google+"preempted", "TRUE")
		}
	})
	if n.Why != "it is preempted" || len(said) != 3 || !strings.Contains(said[1], "does not say") {
		t.Errorf("the notice is %+v, and it said %q", n, said)
	}
}

// Faults that differ each time, as by the port of a connection, are one fault.
func TestFaultsThatDifferAreReportedOnce(t *testing.T) {
	f := onGoogle()
	var faults atomic.Int32
	n, said := watch(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/computeMetadata/v1/instance/maintenance-event" {
			f.ServeHTTP(w, r)
			return
		}
		n := int(faults.Add(1))
		if n == 20 {
			f.set(google+"preempted", "TRUE")
		}
		w.WriteHeader(500 + n)
	}), false, func() {})
	if n.Why != "it is preempted" || len(said) != 1 || !strings.Contains(said[0], "does not say") {
		t.Errorf("the notice is %+v, and it said %q", n, said)
	}
}

// Azure announces days ahead that hardware may fail, and sometimes changes its mind.
func TestANoticeOfDaysAheadWaitsForItsTime(t *testing.T) {
	in := func(d time.Duration) string {
		return event("Redeploy", "builds_3", "Scheduled", time.Now().Add(d).UTC().Format(http.TimeFormat))
	}
	f := onAzure()
	f.set(events, in(7*24*time.Hour))
	server := httptest.NewServer(f)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var said []string
	n, err := Watch{Base: server.URL, Every: time.Millisecond, Ahead: time.Hour, Say: func(line string) {
		said = append(said, line)
		switch len(said) {
		case 1:
			f.set(events, `{"Events":[]}`)
		case 2:
			f.set(events, in(30*time.Minute))
		}
	}}.Wait(ctx)
	if err != nil || n.Why != "it moves to other hardware" || time.Until(n.At) > time.Hour {
		t.Errorf("the notice is %+v, %v", n, err)
	}
	if len(said) != 2 || !strings.HasPrefix(said[0], "Azure takes this host away at ") || !strings.HasSuffix(said[0], ": it moves to other hardware; the drain begins 1h0m0s before") || !strings.HasPrefix(said[1], "Azure is asked") {
		t.Errorf("it said %q", said)
	}
}

func TestTheFirstOfSeveralEventsCounts(t *testing.T) {
	two := strings.Replace(event("Terminate", "builds_3", "Scheduled", "Mon, 19 Oct 2026 18:29:47 GMT"), `"Events":[`,
		`"Events":[{"EventType":"Redeploy","Resources":["builds_3"],"NotBefore":"Mon, 19 Oct 2026 19:29:47 GMT"},`, 1)
	n, err := azureEvents(two, "builds_3", time.Now())
	if err != nil || n.Why != "it is deleted" || n.At.Format(time.RFC3339) != "2026-10-19T18:29:47Z" {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestANoticeIsOneLine(t *testing.T) {
	n := Notice{Cloud: "AWS", Why: "the autoscaling group ends it"}
	if got := n.String(); got != "AWS takes this host away: the autoscaling group ends it" {
		t.Error(got)
	}
	n.At = time.Date(2026, 9, 18, 10, 22, 0, 0, time.FixedZone("", 7200))
	if got := n.String(); got != "AWS takes this host away at 2026-09-18T08:22:00Z: the autoscaling group ends it" {
		t.Error(got)
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	for _, base := range []string{"", "169.254.169.254", "https://169.254.169.254", "file:///etc/passwd", "http://a:b@127.0.0.1"} {
		if _, err := (Watch{Base: base, Say: func(string) {}}).Wait(t.Context()); err == nil {
			t.Errorf("%q is taken", base)
		}
	}
}
