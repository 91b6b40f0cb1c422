package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
)

func TestAJobIsCleanedUpWhereGitLabDoesNotAnswer(t *testing.T) {
	gitlab := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer gitlab.Close()
	dir := t.TempDir()
	hook, cleaned := filepath.Join(dir, "hook"), filepath.Join(dir, "cleaned")
	script := "#!/bin/sh\ncase $1 in\nconfig) echo '{\"builds_dir\":\"/builds\",\"cache_dir\":\"/cache\"}' ;;\nprepare) exec sleep 60 ;;\ncleanup) touch '" + cleaned + "' ;;\nesac\n"
	if err := os.WriteFile(hook, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	s := section{URL: gitlab.URL}
	s.Custom.Exec, s.Custom.ConfigArgs, s.Custom.PrepareArgs = hook, []string{"config"}, []string{"prepare"}
	s.Custom.RunArgs, s.Custom.CleanupArgs = []string{"run"}, []string{"cleanup"}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second) // the hook would take longer
	defer cancel()
	if err := s.job(ctx, local.Payload{ID: 1, RunnerInfo: local.RunnerInfo{Timeout: 600}}); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(cleaned); err != nil {
		t.Errorf("there was no cleanup: %v", err)
	}
	if ctx.Err() != nil {
		t.Error("the hook was not ended")
	}
}
