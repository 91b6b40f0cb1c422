package try

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
)

func TestAReportIsUploadedWhateverBecomesOfTheJob(t *testing.T) {
	got := artifacts(&pipeline.Artifacts{Paths: []string{"out/"}, When: "on_success", Dotenv: []string{"a.env", "b.env"}})
	want := []local.Artifact{
		{Paths: []string{"out/"}, When: "on_success", Type: "archive", Format: "zip"},
		{Name: ".env", Paths: []string{"a.env", "b.env"}, When: "always", Type: "dotenv", Format: "gzip"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if only := artifacts(&pipeline.Artifacts{Dotenv: []string{"a.env"}}); len(only) != 1 || only[0].Type != "dotenv" {
		t.Errorf("a report alone: %+v", only)
	}
	if artifacts(nil) != nil {
		t.Error("nothing is uploaded")
	}
}

func TestWhatEachJobOfAMatrixIsNumbered(t *testing.T) {
	for name, c := range map[string]struct {
		job  pipeline.Job
		want string
	}{
		"one of three": {pipeline.Job{Name: "a 2/3", Of: "a", Index: 2, Total: 3}, "2/3"},
		"one alone":    {pipeline.Job{Name: "a"}, "/1"},
	} {
		got := map[string]string{}
		for _, v := range (facts{}).ofJob(1, c.job, false) {
			got[v.Key] = v.Value
		}
		if text := strings.Join([]string{got["CI_NODE_INDEX"], got["CI_NODE_TOTAL"]}, "/"); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}
