package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
)

func TestTheTailIsWhatOneInTwentyPasses(t *testing.T) {
	var forty []float64
	for i := range 40 {
		forty = append(forty, float64(40-i))
	}
	for name, tt := range map[string]struct {
		samples []float64
		want    float64
	}{
		"of one":    {[]float64{7}, 7},
		"of ten":    {[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10},
		"of twenty": {forty[20:], 19},
		"of forty":  {forty, 38},
	} {
		if got := tailOf(tt.samples); got != tt.want {
			t.Errorf("%s: the tail is %v, want %v", name, got, tt.want)
		}
	}
}

func TestTheMachinesUsageIsOfWhatRanMeanwhile(t *testing.T) {
	const size = 8 << 20
	file := filepath.Join(t.TempDir(), "file")
	var held []byte
	u, err := measured(func() error {
		for until := time.Now().Add(100 * time.Millisecond); time.Now().Before(until); {
			held = append(held, 1)
		}
		return os.WriteFile(file, make([]byte, size), 0o600)
	})
	if err != nil || len(held) == 0 {
		t.Fatal(err)
	}
	if u.cpu < 0.05 || u.memory < 0 {
		t.Errorf("100 ms of work are %+v", u)
	}
	if u.written > 0 && u.written < size/mib/2 { // a tmpfs does not count
		t.Errorf("8 MiB written are %+v", u)
	}
	wrong := errors.New("wrong")
	if _, err := measured(func() error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("the error is %v", err)
	}
}

func TestBusyIsWhatIsNeitherIdleNorWaiting(t *testing.T) {
	got, err := busySeconds("cpu  100 20 30 5000 600 7 8 900 50 0\ncpu0 1 2 3\n")
	if err != nil || got != 1.65 {
		t.Errorf("%v seconds (%v)", got, err)
	}
	for _, stat := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8", "cpu 1 x 3 4 5 6 7 8"} {
		if _, err := busySeconds(stat); err == nil {
			t.Errorf("%q is taken", stat)
		}
	}
}

func TestAJobForTheDockerExecutorIsTheDocumentations(t *testing.T) {
	p := local.Payload{
		Variables: []local.Variable{{Key: "CI", Value: "true", Public: true}, {Key: "PASSWORD", Value: "secret"}},
		Services:  []local.Image{{Name: "docker:dind"}},
	}
	got := forDocker(p, "registry.test:5000")
	if len(p.Variables) != 2 || p.Services[0].Alias != "" {
		t.Errorf("the other way's job is changed: %+v", p)
	}
	s := got.Services[0]
	if s.Alias != "docker" || !slices.Equal(s.Command, []string{"--insecure-registry=registry.test:5000"}) {
		t.Errorf("the service is %+v", s)
	}
	env := strings.Join(environment(got.Variables, false), " ")
	if !strings.Contains(env, "DOCKER_HOST=tcp://docker:2376 DOCKER_TLS_CERTDIR=/certs") || !strings.Contains(env, "PASSWORD=secret") {
		t.Errorf("the job's environment is %s", env)
	}
	if env := strings.Join(environment(got.Variables, true), " "); strings.Contains(env, "secret") || !strings.Contains(env, "CI=true") {
		t.Errorf("the service's environment is %s", env)
	}
}

func TestTheScriptsOfAJobAreRecordedInOrder(t *testing.T) {
	b := &bench{}
	p := local.Payload{
		ID: 7, Image: local.Image{Name: "docker:cli"},
		Variables: []local.Variable{{Key: "GIT_STRATEGY", Value: "none"}},
		Steps:     []local.Step{{Name: "script", Script: []string{"echo '" + firstLine + "'"}, When: "on_success"}},
	}
	scripts, err := b.record(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range scripts {
		names = append(names, s.name)
		if s.ofJob() != (s.name == buildStage) || s.ofJob() != strings.Contains(s.text, firstLine) {
			t.Errorf("%s: %s", s.name, s.text)
		}
	}
	if len(names) < 3 || names[0] != helperStage || !slices.Contains(names, buildStage) {
		t.Errorf("stages are %q", names)
	}
}

func TestAPageIsReadForWhatItSaidBefore(t *testing.T) {
	first := aRun(nil)
	page := "| not | of | the | program |\n" + docBegin + string(first.markdown(earlier{})) + docEnd
	e := readPage(page)
	if e.date != first.Date.Format("2 January 2006") {
		t.Errorf("the date is %q", e.date)
	}
	if got := e.of("`A+`", "row <A+>"); got != "3000 ms" {
		t.Errorf("the row was %q", got)
	}
	if got := e.of("`A+`", "another thing"); got != "" {
		t.Errorf("a row of another name was %q", got)
	}
	if got := e.of(first.Floors[0].Name); got == "" || e.of("not") != "" {
		t.Errorf("the floor was %q, and %q is read of what is not the program's", got, e.of("not"))
	}
	again := string(first.markdown(e))
	if !strings.Contains(again, "| `A+` | row <A+> | 3000 ms | 3000 ms | 3000 ms | 0 % | 3000 ms | 1 |") {
		t.Errorf("the page does not show what was before:\n%s", again)
	}
}
