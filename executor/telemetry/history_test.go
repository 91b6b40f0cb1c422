package telemetry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheHistoryOfAJobAcrossFilesOfALog(t *testing.T) {
	l := Log{Path: filepath.Join(t.TempDir(), "state", "operator.log"), MaxSize: 700, MaxFiles: 9, Debug: true}
	if list, err := l.History("7"); err != nil || list != nil {
		t.Errorf("without a log: %v, %v", list, err)
	}
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	span := []Finished{{Name: "POST /x", Begin: at, End: at.Add(time.Second)}}
	for i, r := range []Record{
		{Hook: "config", Job: "a.example.com/7"},
		{Hook: "prepare", Job: "a.example.com/7", Seconds: 3, Images: []Pull{{Image: "docker:dind", After: 0.25, Seconds: 2.5, Bytes: 7, Failed: true}}},
		{Hook: "config", Job: "a.example.com/77"},
		{Hook: "run", Stage: "build_script", Job: "b.example.com/7"},
		{Hook: "run", Stage: "/7", Job: "a.example.com/8", Project: "x/7"},
		{Hook: "run", Stage: "cleanup_file_variables", Job: "a.example.com/7", Used: &Used{PeakMemory: 9, Boot: 0.5, Layers: "reused"}},
		{Command: "finish", Behind: "a.example.com/7"},
	} {
		r.Time, r.Result, r.PID = at.Add(time.Duration(i)*time.Second), Success, i
		if err := l.Write(r, span); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(l.Path + "*"); len(files) < 3 {
		t.Fatalf("the log is one file: %q", files)
	}
	said := func(job string) string {
		list, err := l.History(job)
		var words []string
		for _, r := range list {
			words = append(words, fmt.Sprint(r.Hook, r.Command, r.Stage, "@", r.Of()))
		}
		return fmt.Sprint(strings.Join(words, " "), " ", err)
	}
	// The prepare began before the config's line was written.
	const ours = "prepare@a.example.com/7 config@a.example.com/7 "
	const rest = "runcleanup_file_variables@a.example.com/7 finish@a.example.com/7 <nil>"
	if got := said("a.example.com/7"); got != ours+rest {
		t.Errorf("%s", got)
	}
	if got := said("7"); got != ours+"runbuild_script@b.example.com/7 "+rest {
		t.Errorf("by its id: %s", got)
	}
	if got := said("9"); got != " <nil>" {
		t.Errorf("of another: %s", got)
	}
	list, _ := l.History("a.example.com/7")
	if p := list[0].Images; len(p) != 1 || p[0] != (Pull{"docker:dind", 0.25, 2.5, 7, true}) {
		t.Errorf("images %+v", p)
	}
	if u := list[2].Used; u == nil || *u != (Used{PeakMemory: 9, Boot: 0.5, Layers: "reused"}) {
		t.Errorf("used %+v", u)
	}
}

// A log may hold hundreds of thousands of lines of a job that loops.
func TestAHistoryHasABound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "operator.log")
	line := `{"time":"2026-07-01T12:00:00Z","hook":"run","job":"x/7","seconds":1,"result":"success"}` + "\n"
	if err := os.WriteFile(file, []byte(strings.Repeat(line, 3*mostHistory)+"half a line of x/7\""), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := (Log{Path: file, MaxFiles: 1}).History("7"); err != nil || len(list) != mostHistory {
		t.Errorf("%d calls, %v", len(list), err)
	}
}
