package looking

import (
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
)

func TestWhatASandboxIsAt(t *testing.T) {
	living, gone := owner.Process{PID: 1}.String(), owner.Process{PID: 2}.String()
	r := sandbox.Rules{Now: moment, Bound: 10 * time.Minute, Lives: func(o owner.Process) owner.Life { return map[int]owner.Life{1: owner.Alive, 2: owner.Dead}[o.PID] }}
	of := func(role plan.Role, running bool) engine.Object {
		return engine.Object{Role: role, Running: running, Labels: map[string]string{label.Created: moment.Add(-time.Minute).Format(time.RFC3339)}}
	}
	job := func(owner string) engine.Object {
		o := claimed(plan.RoleJob, owner, moment.Add(time.Hour))
		o.Labels[label.Project], o.Labels[label.Created] = "group/app", moment.Add(-time.Second).Format(time.RFC3339)
		return o
	}
	blocked := engine.Object{Role: plan.RoleJob, Labels: map[string]string{label.Job: label.NoJob, label.Owner: living, label.Deadline: moment.Format(time.RFC3339)}}
	ahead := of(plan.RoleNetwork, false)
	ahead.Labels[label.Deadline] = moment.Add(time.Hour).Format(time.RFC3339)
	held := func(until time.Time) engine.Object {
		return engine.Object{Role: plan.RoleHeld, Labels: label.ForHeld("0123456789ab", "gitlab.example.com/7", until)}
	}
	network, sidecar, helper := of(plan.RoleNetwork, false), of(plan.RoleSidecar, true), of(plan.RoleHelper, true)
	for name, c := range map[string]struct {
		s       *engine.Objects
		booting bool
		state   State
		job     string
		until   bool
	}{
		"a job's":                      {&engine.Objects{Containers: []engine.Object{sidecar, helper, job(living)}, Networks: []engine.Object{network}}, false, Running, "gitlab.example.com/7", false},
		"whose daemon boots":           {&engine.Objects{Containers: []engine.Object{sidecar, helper, job(living)}, Networks: []engine.Object{network}}, true, Booting, "gitlab.example.com/7", false},
		"a job's that prepare makes":   {&engine.Objects{Containers: []engine.Object{sidecar}, Networks: []engine.Object{claimed(plan.RoleNetwork, living, moment)}}, false, Making, "gitlab.example.com/7", false},
		"one that waits":               {&engine.Objects{Containers: []engine.Object{sidecar, helper}, Networks: []engine.Object{ahead}}, false, Waits, "", true},
		"one that is being made":       {&engine.Objects{Containers: []engine.Object{helper}, Networks: []engine.Object{ahead}}, false, Making, "", false},
		"one that is taken away":       {&engine.Objects{Containers: []engine.Object{sidecar, helper, blocked}, Networks: []engine.Object{ahead}}, false, Going, "", false},
		"that of a Runner that died":   {&engine.Objects{Containers: []engine.Object{sidecar, job(gone)}, Networks: []engine.Object{network}}, false, Orphan, "gitlab.example.com/7", false},
		"without a network":            {&engine.Objects{Containers: []engine.Object{sidecar, job(living)}}, false, Orphan, "gitlab.example.com/7", false},
		"a failed job's":               {&engine.Objects{Containers: []engine.Object{sidecar, job(gone)}, Networks: []engine.Object{network}, Volumes: []engine.Object{held(moment.Add(time.Minute))}}, false, Held, "gitlab.example.com/7", true},
		"that was held long enough":    {&engine.Objects{Containers: []engine.Object{sidecar, job(living)}, Networks: []engine.Object{network}, Volumes: []engine.Object{held(moment)}}, false, Orphan, "gitlab.example.com/7", false},
		"one that nobody could judge":  {&engine.Objects{Containers: []engine.Object{{Role: plan.RoleJob, Labels: map[string]string{label.Job: "x/1", label.Owner: "{", label.Deadline: "?"}}}, Networks: []engine.Object{network}}, false, Doubtful, "x/1", false},
		"held until nobody knows when": {&engine.Objects{Containers: []engine.Object{sidecar, job(living)}, Networks: []engine.Object{network}, Volumes: []engine.Object{{Role: plan.RoleHeld}}}, false, Running, "gitlab.example.com/7", false},
	} {
		got := statusOf(c.s, r, c.booting)
		if got.State != c.state || got.Job != c.job || (got.Until != nil) != c.until || got.Reason == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	st := statusOf(&engine.Objects{Containers: []engine.Object{sidecar, helper, job(living)}, Networks: []engine.Object{network}}, r, false)
	if st.DaemonEnded {
		t.Error("a daemon that runs has ended")
	}
	if st.Project != "group/app" || !st.Created.Equal(moment.Add(-time.Second)) || st.Containers != 3 || st.Running != 2 {
		t.Errorf("%+v", st)
	}
}

// A sandbox of an older version lacks labels, and one of another hand may have any.
func TestAStatusTakesOfLabelsWhatIsThere(t *testing.T) {
	r := sandbox.Rules{Now: moment, Bound: 10 * time.Minute, Lives: func(owner.Process) owner.Life { return owner.Alive }}
	of := func(labels map[string]string) SandboxStatus {
		job := claimed(plan.RoleJob, owner.Process{PID: 1}.String(), moment.Add(time.Hour))
		maps.Copy(job.Labels, labels)
		return statusOf(&engine.Objects{Containers: []engine.Object{job, {Role: plan.RoleSidecar}}, Networks: []engine.Object{{Role: plan.RoleNetwork}}}, r, false)
	}
	if st := of(nil); st.URL+st.Ref+st.Stage != "" || st.TimesOut != nil || st.Job == "" {
		t.Errorf("an older one: %+v", st)
	}
	claim := plan.Claim{Job: "x/7", TimesOut: moment.Add(time.Minute), About: plan.About{URL: "https://x/-/jobs/7", Ref: "main", Stage: "test"}}
	if st := of(label.Claim(claim)); st.URL != "https://x/-/jobs/7" || st.Ref != "main" || st.Stage != "test" || st.TimesOut == nil || !st.TimesOut.Equal(moment.Add(time.Minute)) {
		t.Errorf("a newer one: %+v", st)
	}
	claim.About = plan.About{URL: "https://x/" + strings.Repeat("a", 5000), Ref: strings.Repeat("ä", 5000), Stage: strings.Repeat("\xff", 5000)}
	if st := of(label.Claim(claim)); st.URL != "" || len(st.Ref) > 210 || len(st.Stage) > 210 || !utf8.ValidString(st.Ref) || !utf8.ValidString(st.Stage) {
		t.Errorf("long ones: %d %d %d", len(st.URL), len(st.Ref), len(st.Stage))
	}
	if st := of(map[string]string{label.TimesOut: "soon"}); st.TimesOut != nil {
		t.Errorf("no time: %v", st.TimesOut)
	}
}

// claimed are the labels of a job's object.
func claimed(role plan.Role, owner string, deadline time.Time) engine.Object {
	return engine.Object{Role: role, Labels: map[string]string{
		label.Job: "gitlab.example.com/7", label.Owner: owner, label.Deadline: deadline.Format(time.RFC3339),
	}}
}

var moment = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
