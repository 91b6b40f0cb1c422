// Command apirunner plays GitLab Runner for scripts/runnertest. The command reads a
// config.toml, asks GitLab's job API for jobs, and runs them with executor/local. Developers
// can try scripts/runnertest with it where no GitLab Runner is. The command shows nothing of
// the Runner itself.
//
// The command may import executor/local.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/executor/local"
)

// askEvery is the time between two requests for a job, patchEvery between two parts of the log.
// check_interval replaces shorter times, on machines where requests cost much.
const (
	askEvery   = 100 * time.Millisecond
	patchEvery = 200 * time.Millisecond
)

// section is a [[runners]] of config.toml.
type section struct {
	URL, Token string
	check      time.Duration
	Custom     struct {
		Exec        string   `toml:"config_exec"`
		ConfigArgs  []string `toml:"config_args"`
		PrepareArgs []string `toml:"prepare_args"`
		RunArgs     []string `toml:"run_args"`
		CleanupArgs []string `toml:"cleanup_args"`
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "FATAL:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "--version" {
		fmt.Println("Version:      18.6.6\nGit revision: stand-in")
		return nil
	}
	if len(args) == 0 {
		return errors.New("say verify, run or --version")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	file := flags.String("config", "", "")
	flags.String("working-directory", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var config struct {
		Check   int `toml:"check_interval"`
		Runners []section
	}
	if _, err := toml.DecodeFile(*file, &config); err != nil {
		return err
	}
	if len(config.Runners) != 1 {
		return errors.New("not one [[runners]]")
	}
	s := config.Runners[0]
	s.check = time.Duration(config.Check) * time.Second
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	switch args[0] {
	case "verify":
		_, err := s.call(ctx, "POST", "runners/verify", s.whoAmI(), http.StatusOK)
		return err
	case "run":
		return s.work(ctx)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func (s section) whoAmI() any { return map[string]string{"token": s.Token, "system_id": "s_standin"} }

// work takes jobs in turn until ctx ends. After SIGQUIT work ends with the present job.
func (s section) work(ctx context.Context) error {
	last := make(chan os.Signal, 1)
	signal.Notify(last, syscall.SIGQUIT)
	tick := time.NewTicker(max(askEvery, s.check))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-last:
			return nil
		case <-tick.C:
		}
		res, err := s.call(ctx, "POST", "jobs/request", s.whoAmI(), http.StatusCreated, http.StatusNoContent)
		if err != nil || res.code == http.StatusNoContent {
			continue
		}
		var p local.Payload
		if err := json.Unmarshal(res.body, &p); err != nil {
			return err
		}
		if err := s.job(ctx, p); err != nil {
			return err
		}
	}
}

// job runs a job, sends its log meanwhile, and tells its end. The function returns after
// cleanup, also where GitLab does not answer.
func (s section) job(ctx context.Context, p local.Payload) error {
	log := &trace{}
	r := local.Runner{
		Executable: s.Custom.Exec, ConfigArgs: s.Custom.ConfigArgs, PrepareArgs: s.Custom.PrepareArgs,
		RunArgs: s.Custom.RunArgs, CleanupArgs: s.Custom.CleanupArgs, Log: log, RunnerLog: os.Stderr, SectionMarkers: true, URL: s.URL,
	}
	ctx, stop := context.WithCancel(ctx)
	job := r.Start(ctx, p)
	defer func() {
		stop()
		job.Wait()
	}()
	tick := time.NewTicker(max(patchEvery, s.check))
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-tick.C:
		case <-job.Done():
			ended = true
		}
		status, err := s.send(p, log)
		if err != nil {
			return err
		}
		if status == "canceling" {
			job.Cancel()
		}
	}
	res := job.Wait()
	end := map[string]any{"token": p.Token, "state": "failed", "failure_reason": res.FailureReason, "exit_code": res.ExitCode}
	if res.State == local.Success {
		end["state"] = "success"
	}
	_, err := s.call(context.WithoutCancel(ctx), "PUT", fmt.Sprintf("jobs/%d", p.ID), end, http.StatusOK)
	return err
}

// send sends the new part of the log, or a sign of life.
func (s section) send(p local.Payload, log *trace) (status string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	from, text := log.next()
	if len(text) == 0 {
		res, err := s.call(ctx, "PUT", fmt.Sprintf("jobs/%d", p.ID), map[string]string{"token": p.Token, "state": "running"}, http.StatusOK)
		return res.status, err
	}
	res, err := s.call(
		ctx, "PATCH", fmt.Sprintf("jobs/%d/trace", p.ID), text, http.StatusAccepted,
		"JOB-TOKEN", p.Token, "Content-Type", "text/plain", "Content-Range", fmt.Sprintf("%d-%d", from, from+len(text)-1),
	)
	return res.status, err
}

type reply struct {
	code   int
	status string
	body   []byte
}

// call calls the API. more are further accepted status codes, and then headers in pairs.
func (s section) call(ctx context.Context, method, path string, body any, fine int, more ...any) (reply, error) {
	text, raw := body.([]byte)
	if !raw {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return reply{}, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/api/v4/"+path, bytes.NewReader(text))
	if err != nil {
		return reply{}, err
	}
	codes := map[int]bool{fine: true}
	for i := 0; i < len(more); i++ {
		switch m := more[i].(type) {
		case int:
			codes[m] = true
		case string:
			i++
			req.Header.Set(m, more[i].(string))
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err == nil && !codes[res.StatusCode] {
		err = fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	return reply{res.StatusCode, res.Header.Get("Job-Status"), content}, err
}

// trace is a log, sent in parts.
type trace struct {
	mu   sync.Mutex
	text []byte
	sent int
}

func (t *trace) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	return len(p), nil
}

// next returns the unsent part, which counts as sent from now on.
func (t *trace) next() (from int, text []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from, text = t.sent, bytes.Clone(t.text[t.sent:])
	t.sent = len(t.text)
	return from, text
}
