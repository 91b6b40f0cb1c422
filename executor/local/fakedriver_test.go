package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fakeDir is the variable that makes the test binary the driver. Its value is the folder
// with the plan and for the records.
const fakeDir = "FAKE_DRIVER_DIR"

// act is the fake driver's part in a call of a hook.
type act struct {
	Stdout, Stderr string
	Exit           int
	// Code is written to BUILD_EXIT_CODE_FILE.
	Code string
	// Wait says "ready" and waits for SIGTERM before it exits.
	Wait bool
	// Ignore is Wait, deaf to SIGTERM.
	Ignore bool
	// Kill ends the driver by SIGKILL.
	Kill bool
	// Child leaves a process in a group of its own. The process prints "holding", holds the
	// output until the pipe child.fifo is opened, and prints "last words" then.
	Child bool
	// Script runs the script with bash and reports as a driver would.
	Script bool
}

// record is a call as the fake driver saw it.
type record struct {
	Name         string // the kind, or a run hook's stage
	Args         []string
	Env          []string
	Dir          string
	Pgid, Pid    int
	Stdin        string
	Response     string
	ResponseMode os.FileMode
	Script       string
	ScriptMode   os.FileMode
}

// env returns the value of a variable in the call's environment.
func (r record) env(key string) string {
	for _, kv := range r.Env {
		if k, v, _ := strings.Cut(kv, "="); k == key {
			return v
		}
	}
	return ""
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(fakeDir); dir != "" {
		if os.Args[1] == "child" {
			child(dir)
		}
		os.Exit(fakeDriver(dir, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// child holds the output until somebody opens its pipe.
func child(dir string) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	fmt.Println("holding")
	if _, err := os.ReadFile(filepath.Join(dir, "child.fifo")); err != nil {
		panic(err)
	}
	fmt.Println("last words")
	os.Exit(0)
}

func fakeDriver(dir string, args []string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	name := args[0]
	if name == string(Run) {
		name = args[2]
	}
	n := save(dir, name, args)
	var plan map[string][]act
	text, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err = errors.Join(err, json.Unmarshal(text, &plan)); err != nil {
		panic(err)
	}
	var a act
	if acts := plan[name]; len(acts) > 0 {
		a = acts[min(n, len(acts)-1)]
	}
	return a.perform(dir, args, term)
}

func (a act) perform(dir string, args []string, term <-chan os.Signal) int {
	fmt.Print(a.Stdout)
	fmt.Fprint(os.Stderr, a.Stderr)
	if a.Code != "" {
		if err := os.WriteFile(os.Getenv("BUILD_EXIT_CODE_FILE"), []byte(a.Code), 0o600); err != nil {
			panic(err)
		}
	}
	switch {
	case a.Kill:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case a.Child:
		cmd := exec.Command(os.Args[0], "child")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
	case a.Ignore:
		fmt.Println("ready")
		<-term
		fmt.Println("deaf")
		select {}
	case a.Wait:
		fmt.Println("ready")
		<-term
		fmt.Println("terminated")
	case a.Script:
		return runScript(args[1])
	}
	return a.Exit
}

// runScript runs a script as a driver would and returns its own exit code.
func runScript(path string) int {
	cmd := exec.Command("bash", path)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		code := []byte(strconv.Itoa(exit.ExitCode()))
		if file := os.Getenv("BUILD_EXIT_CODE_FILE"); file != "" { // an old Runner wants none
			if err := os.WriteFile(file, code, 0o600); err != nil {
				panic(err)
			}
		}
		return buildFailureExit
	default:
		return systemFailureExit
	}
}

// save writes a record and returns the number of earlier records with this name.
func save(dir, name string, args []string) (n int) {
	r := record{Name: name, Args: args, Env: os.Environ(), Pid: os.Getpid(), Pgid: syscall.Getpgrp()}
	r.Dir, _ = os.Getwd()
	r.Stdin, _ = os.Readlink("/proc/self/fd/0")
	r.Response, r.ResponseMode = slurp(os.Getenv("JOB_RESPONSE_FILE"))
	if args[0] == string(Run) {
		r.Script, r.ScriptMode = slurp(args[1])
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*-"+name+".json"))
	if err != nil {
		panic(err)
	}
	all, err := filepath.Glob(filepath.Join(dir, "[0-9]*.json"))
	if err != nil {
		panic(err)
	}
	file := filepath.Join(dir, fmt.Sprintf("%03d-%s.json", len(all), name))
	if err := os.WriteFile(file+".part", text, 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		panic(err)
	}
	return len(old)
}

func slurp(path string) (string, os.FileMode) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		panic(err)
	}
	return string(text), info.Mode().Perm()
}
