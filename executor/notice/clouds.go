package notice

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// cloud is a cloud with a metadata service.
type cloud struct {
	name string
	// here tells whether this host is in the cloud.
	here func(context.Context, asker) bool
	// look returns a notice, or a notice without a reason where the host stays.
	look func(ctx context.Context, a asker, rebalance bool) (Notice, error)
}

// clouds are in the order of the questions. Each tells its own answer from answers of the
// others.
var clouds = []cloud{
	{"Google Cloud", hereGoogle, lookGoogle},
	{"Azure", hereAzure, lookAzure},
	{"AWS", hereAWS, lookAWS},
}

// odd refuses an answer that is neither yes nor no.
func odd(path string, a answer) error {
	return fmt.Errorf("nobody understands the answer to %s, of status %d", path, a.status)
}

// AWS

// awsToken returns a token for the questions of a round. Services without tokens are not
// AWS's: OpenStack's has the same paths.
func awsToken(ctx context.Context, a asker) (string, error) {
	const path = "/latest/api/token"
	got, err := a.ask(ctx, http.MethodPut, path, "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if err == nil && (got.status != http.StatusOK || got.body == "" || len(got.body) > 4096) {
		err = odd(path, got)
	}
	return got.body, err
}

func hereAWS(ctx context.Context, a asker) bool {
	token, err := awsToken(ctx, a)
	if err != nil {
		return false
	}
	got, err := a.ask(ctx, http.MethodGet, "/latest/meta-data/instance-id", "X-aws-ec2-metadata-token", token)
	return err == nil && got.status == http.StatusOK && strings.HasPrefix(got.body, "i-")
}

// awsQuestion is a question with AWS's answer 404 while AWS has no news.
type awsQuestion struct {
	path  string
	judge func(body string) (Notice, error)
}

func lookAWS(ctx context.Context, a asker, rebalance bool) (Notice, error) {
	token, err := awsToken(ctx, a)
	if err != nil {
		return Notice{}, err
	}
	questions := []awsQuestion{{"spot/instance-action", awsSpot}, {"autoscaling/target-lifecycle-state", awsLifecycle}}
	if rebalance {
		questions = append(questions, awsQuestion{"events/recommendations/rebalance", awsRebalance})
	}
	for _, q := range questions {
		got, err := a.ask(ctx, http.MethodGet, "/latest/meta-data/"+q.path, "X-aws-ec2-metadata-token", token)
		switch {
		case err != nil:
			return Notice{}, err
		case got.status == http.StatusNotFound:
		case got.status != http.StatusOK:
			return Notice{}, odd(q.path, got)
		default:
			if n, err := q.judge(got.body); err != nil || n.Why != "" {
				return n, err
			}
		}
	}
	return Notice{}, nil
}

// awsSpot judges the interruption of a spot instance, two minutes ahead.
func awsSpot(body string) (Notice, error) {
	var said struct {
		Action string    `json:"action"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		return Notice{}, fmt.Errorf("spot/instance-action: %w", err)
	}
	if !slices.Contains([]string{"terminate", "stop", "hibernate"}, said.Action) {
		return Notice{}, fmt.Errorf("spot/instance-action: %.40q is no action", said.Action)
	}
	return Notice{Why: "the spot instance is interrupted", At: said.Time}, nil
}

// awsLifecycle judges the target state of an autoscaling group.
func awsLifecycle(body string) (Notice, error) {
	if body == "Terminated" || body == "Warmed:Terminated" {
		return Notice{Why: "the autoscaling group ends it"}, nil
	}
	return Notice{}, nil
}

// awsRebalance judges AWS's warning that a spot instance may soon be interrupted.
func awsRebalance(body string) (Notice, error) {
	var said struct {
		NoticeTime time.Time `json:"noticeTime"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		return Notice{}, fmt.Errorf("events/recommendations/rebalance: %w", err)
	}
	if said.NoticeTime.IsZero() {
		return Notice{}, nil
	}
	return Notice{Why: "the spot instance may soon be interrupted"}, nil
}

// Google Cloud

// preemptedAfter is the time that Google leaves to a preempted host.
const preemptedAfter = 30 * time.Second

func askGoogle(ctx context.Context, a asker, path string) (string, error) {
	got, err := a.ask(ctx, http.MethodGet, "/computeMetadata/v1/instance/"+path, "Metadata-Flavor", "Google")
	if err == nil && (got.status != http.StatusOK || got.header.Get("Metadata-Flavor") != "Google") {
		err = odd(path, got)
	}
	return got.body, err
}

func hereGoogle(ctx context.Context, a asker) bool {
	id, err := askGoogle(ctx, a, "id")
	return err == nil && id != ""
}

func lookGoogle(ctx context.Context, a asker, _ bool) (Notice, error) {
	preempted, err := askGoogle(ctx, a, "preempted")
	if err != nil {
		return Notice{}, err
	}
	if preempted == "TRUE" {
		return Notice{Why: "it is preempted", At: a.now().Add(preemptedAfter)}, nil
	}
	maintenance, err := askGoogle(ctx, a, "maintenance-event")
	if err != nil {
		return Notice{}, err
	}
	// A host that moves while running keeps its jobs.
	if maintenance == "TERMINATE_ON_HOST_MAINTENANCE" {
		return Notice{Why: "maintenance ends it"}, nil
	}
	return Notice{}, nil
}

// Azure

func azureName(ctx context.Context, a asker) (string, error) {
	const path = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
	got, err := a.ask(ctx, http.MethodGet, path, "Metadata", "true")
	if err == nil && (got.status != http.StatusOK || got.body == "" || strings.ContainsAny(got.body, "<{ \n")) {
		err = odd("the host's name", got)
	}
	return got.body, err
}

func hereAzure(ctx context.Context, a asker) bool {
	_, err := azureName(ctx, a)
	return err == nil
}

func lookAzure(ctx context.Context, a asker, _ bool) (Notice, error) {
	name, err := azureName(ctx, a)
	if err != nil {
		return Notice{}, err
	}
	const path = "/metadata/scheduledevents?api-version=2020-07-01"
	got, err := a.ask(ctx, http.MethodGet, path, "Metadata", "true")
	if err == nil && got.status != http.StatusOK {
		err = odd("scheduledevents", got)
	}
	if err != nil {
		return Notice{}, err
	}
	return azureEvents(got.body, name, a.now())
}

// azureEnds are the events that end all jobs of a host, with their reasons. A Freeze holds
// the host for seconds.
var azureEnds = map[string]string{
	"Preempt": "the spot host is evicted", "Terminate": "it is deleted", "Reboot": "it is rebooted", "Redeploy": "it moves to other hardware",
}

// azureReturns are those of azureEnds after which the host comes back.
var azureReturns = []string{"Reboot", "Redeploy"}

// azureEvents judges the events about the host with this name: all hosts of a scale set get
// the events of each other. The first event by time counts.
//
// A reboot that has begun is no notice. Azure announces a reboot at least ten minutes ahead,
// except after a fault of the hardware. The event stays in the list until Azure has finished,
// so a host that has just booted finds the event of its own boot.
func azureEvents(body, name string, now time.Time) (Notice, error) {
	var said struct {
		Events []struct {
			EventType, EventStatus, NotBefore string
			Resources                         []string
		}
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		return Notice{}, fmt.Errorf("scheduledevents: %w", err)
	}
	var first Notice
	for _, e := range said.Events {
		why := azureEnds[e.EventType]
		ours := slices.ContainsFunc(e.Resources, func(r string) bool { return strings.EqualFold(r, name) })
		if why == "" || !ours {
			continue
		}
		// An event that has begun has no time any more.
		at, begun := now, e.EventStatus == "Started" || e.NotBefore == ""
		if begun && slices.Contains(azureReturns, e.EventType) {
			continue
		}
		if !begun {
			var err error
			if at, err = http.ParseTime(e.NotBefore); err != nil {
				return Notice{}, fmt.Errorf("scheduledevents: %.40q is no time", e.NotBefore)
			}
		}
		if first.Why == "" || at.Before(first.At) {
			first = Notice{Why: why, At: at}
		}
	}
	return first, nil
}
