// Package owner identifies the process that made an object on the engine, and tells whether the
// process lives. Its only source is /proc.
package owner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Process identifies a process across reboots, and among containers and hosts with the same
// engine. The process is the Runner that called a hook, or the hook itself.
type Process struct {
	Machine      string `json:"machine"`
	Host         string `json:"host"`
	PIDNamespace string `json:"pidns"`
	Boot         string `json:"boot"`
	PID          int    `json:"pid"`
	// Start is the process's start time in clock ticks since boot.
	Start uint64 `json:"start"`
}

// String is the value of the owner label.
func (o Process) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // plain data: cannot fail
	}
	return string(b)
}

// Parse reads an owner label.
func Parse(s string) (Process, error) {
	var o Process
	err := json.Unmarshal([]byte(s), &o)
	return o, err
}

// CallingRunner finds the process that called this hook. The Runner makes each hook the leader of
// a process group of its own. So the caller is the leader's parent, however many wrapper scripts
// lie between.
func CallingRunner() (Process, error) {
	o := Here()
	leader := syscall.Getpgrp()
	_, parent, err := ProcessStat(leader)
	if err != nil || leader == 0 {
		parent = os.Getppid()
	}
	o.PID = parent
	o.Start, _, err = ProcessStat(parent)
	if err != nil {
		return Process{}, fmt.Errorf("finding the process that called the hook: %w", err)
	}
	return o, nil
}

// This is the calling process, such as a hook.
func This() (Process, error) {
	o := Here()
	o.PID = os.Getpid()
	var err error
	if o.Start, _, err = ProcessStat(o.PID); err != nil {
		return Process{}, fmt.Errorf("reading this process's start time: %w", err)
	}
	return o, nil
}

// Here is the place of this process: a Process without number and start.
func Here() Process {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	host, _ := os.Hostname()
	pidns, _ := os.Readlink("/proc/self/ns/pid")
	return Process{
		Machine: read("/etc/machine-id"), Host: host, PIDNamespace: pidns,
		Boot: read("/proc/sys/kernel/random/boot_id"),
	}
}

// Life tells whether an owner lives.
type Life int

// Lives of an owner.
const (
	// Unknown: the owner is in another place, or no owner is named.
	Unknown Life = iota
	// Alive: the process runs.
	Alive
	// Dead: the process has ended. Another process with a later start may have its number.
	Dead
)

// Judge decides whether an owner lives. Only processes of this process's own place can be judged:
// the same machine, host name and pid namespace. start tells a process's start time and whether
// the process exists.
func Judge(o, here Process, start func(pid int) (uint64, bool)) Life {
	samePlace := o.Machine == here.Machine && o.Host == here.Host &&
		o.PIDNamespace == here.PIDNamespace && o.PIDNamespace != ""
	switch {
	case !samePlace || o.PID <= 0 || o.Boot == "" || here.Boot == "":
		return Unknown
	case o.Boot != here.Boot:
		if o.Machine == "" {
			return Unknown // another start of this machine or another machine
		}
		return Dead
	}
	if t, exists := start(o.PID); !exists || t != o.Start {
		return Dead
	}
	return Alive
}

// StartOf reads the start of processes of this place, for Judge. A process that may exist and
// cannot be read counts as want, and so as alive.
func StartOf(want Process) func(pid int) (uint64, bool) {
	return func(pid int) (uint64, bool) {
		start, _, err := ProcessStat(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
			return 0, false
		case err != nil:
			return want.Start, true
		}
		return start, true
	}
}

// ProcessStat reads a process's start time, in clock ticks since boot, and parent from /proc.
func ProcessStat(pid int) (start uint64, parent int, err error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0, err
	}
	// The name in parentheses may hold anything; fields count from behind it.
	_, rest, ok := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, 0, fmt.Errorf("process %d: stat has an unknown form", pid)
	}
	if fields[0] == "Z" { // a zombie: ended, and its parent has not asked yet
		return 0, 0, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	if parent, err = strconv.Atoi(fields[1]); err != nil {
		return 0, 0, err
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, parent, err
}
