package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/realrunner"
)

// writeConfig writes the example's config.toml with this world's values.
func (t *trial) writeConfig(file, settings string) error {
	example, err := os.ReadFile("config.toml.example")
	if err != nil {
		return fault.System(err, "run this in the repository")
	}
	text, err := configOf(string(example), t.api.URL, t.api.Token, t.executor, settings)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o600)
}

// configOf fills the example in. A text that the example lacks is an error.
func configOf(example, url, token, executor, settings string) (string, error) {
	replace := [][2]string{
		{`"https://gitlab.example.com"`, realrunner.Quoted(url)},
		{`"glrt-REPLACE-ME"`, realrunner.Quoted(token)},
		{`"/usr/local/bin/gitlab-dind-executor"`, realrunner.Quoted(executor)},
	}
	for _, hook := range []string{"config", "prepare", "run", "cleanup"} {
		replace = append(replace, [2]string{hook + `_args = ["`, hook + `_args = ["--settings", ` + realrunner.Quoted(settings) + `, "`})
	}
	for _, r := range replace {
		if !strings.Contains(example, r[0]) {
			return "", fault.System(fmt.Errorf("config.toml.example has no %s any more", r[0]), "mend configOf in scripts/runnertest")
		}
		example = strings.ReplaceAll(example, r[0], r[1])
	}
	return "check_interval = 1\n" + example, nil
}

// verify lets the Runner ask whether its token is good.
func (t *trial) verify(ctx context.Context, dir, config string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.runner, "verify", "--config", config)
	cmd.Env = realrunner.Environ(dir)
	out, err := cmd.CombinedOutput()
	if verified, _ := t.api.Calls(); err == nil && verified == 0 {
		err = errors.New("it did not ask")
	}
	if err != nil {
		return fault.System(fmt.Errorf("gitlab-runner verify: %w", err), "what it said:\n"+string(out))
	}
	fmt.Fprintf(t.out, "GitLab      a stand-in for its job API at %s; the Runner's token is valid\n\n", t.api.URL)
	return nil
}
