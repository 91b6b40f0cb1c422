package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"gitlab-dind-executor/executor/local"
)

func Example() {
	text, err := os.ReadFile("testdata/job.json")
	if err != nil {
		panic(err)
	}
	var payload local.Payload
	if err := json.Unmarshal(text, &payload); err != nil {
		panic(err)
	}
	r := local.Runner{
		Executable: "/usr/bin/gitlab-dind-executor",
		ConfigArgs: []string{"config"}, PrepareArgs: []string{"prepare"},
		RunArgs: []string{"run"}, CleanupArgs: []string{"cleanup"},
		GracefulKillTimeout: time.Minute,
		Log:                 os.Stdout, RunnerLog: os.Stderr,
	}
	job := r.Start(context.Background(), payload)
	// job.Cancel() is the button in GitLab.
	res := job.Wait()
	fmt.Println(res.State, res.ExitCode, res.Err)
	for _, p := range res.Phases {
		fmt.Println(p.Name, p.Duration, p.ExitCode)
	}
}
