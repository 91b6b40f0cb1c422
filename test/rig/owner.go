package rig

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Label keys and the prefix of names. Every object of the rig has them.
const (
	// LabelWhat says the purpose of the object: "registry" or "derived".
	LabelWhat = "gitlab-dind-executor.test-rig"
	// labelOwner says which process made the object. Its value is an owner's String.
	labelOwner = "gitlab-dind-executor.test-rig-owner"
	// NamePrefix begins the name of every container and volume of the rig.
	NamePrefix = "dind-rig-"
)

// owner identifies a process among all processes of this and other machines, and among later
// processes with the same pid.
type owner struct {
	Host  string // hostname
	Boot  string // /proc/sys/kernel/random/boot_id
	PIDNS string // inode of the pid namespace, as in /proc/self/ns/pid
	PID   string
	Start string // clock ticks after boot, field 22 of /proc/<pid>/stat
}

// String is the value of labelOwner: the five fields with slashes between.
func (o owner) String() string {
	return strings.Join([]string{o.Host, o.Boot, o.PIDNS, o.PID, o.Start}, "/")
}

// parseOwner reads the value of labelOwner. ok is false for any other text.
func parseOwner(value string) (o owner, ok bool) {
	f := strings.Split(value, "/")
	if len(f) != 5 || strings.Contains("/"+value+"/", "//") {
		return owner{}, false
	}
	return owner{Host: f[0], Boot: f[1], PIDNS: f[2], PID: f[3], Start: f[4]}, true
}

// self returns the owner that is this process, read from /proc.
func self() (owner, error) {
	host, errHost := os.Hostname()
	boot, errBoot := os.ReadFile("/proc/sys/kernel/random/boot_id")
	pidns, errNS := os.Readlink("/proc/self/ns/pid")
	if err := errors.Join(errHost, errBoot, errNS); err != nil {
		return owner{}, fmt.Errorf("cannot tell which process this is: %w", err)
	}
	pid := fmt.Sprint(os.Getpid())
	start, alive := startOf(pid)
	if !alive {
		return owner{}, errors.New("cannot tell when this process started\nhint: is /proc mounted?")
	}
	pidns = strings.TrimSuffix(strings.TrimPrefix(pidns, "pid:["), "]")
	return owner{Host: host, Boot: strings.TrimSpace(string(boot)), PIDNS: pidns, PID: pid, Start: start}, nil
}

// startOf returns the start time of a process in this pid namespace, in clock ticks after boot.
// alive is false for a missing process and for a zombie.
func startOf(pid string) (start string, alive bool) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", false
	}
	return parseStat(string(stat))
}

// parseStat reads /proc/<pid>/stat, see proc(5). The second field is the
// command's name in parentheses and may itself contain any of " ()".
func parseStat(stat string) (start string, alive bool) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return "", false
	}
	fields := strings.Fields(stat[end+1:]) // the first of them is field 3, the state
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	return fields[19], true
}

// dead tells whether o has provably ended, as seen from the process me. Nothing is known of a
// process of another machine or another pid namespace, so it counts as alive.
func (o owner) dead(me owner, startOf func(pid string) (start string, alive bool)) bool {
	switch {
	case o.Host != me.Host:
		return false
	case o.Boot != me.Boot:
		return true
	case o.PIDNS != me.PIDNS:
		return false
	}
	start, alive := startOf(o.PID)
	return !alive || start != o.Start
}

// Labels returns the labels for a new object of this process. what is the object's purpose.
// [RemoveStale] removes the object once the process has ended.
func Labels(what string) (map[string]string, error) {
	me, err := self()
	if err != nil {
		return nil, err
	}
	return map[string]string{LabelWhat: what, labelOwner: me.String()}, nil
}

// UniqueName returns a name for a new object, such as "dind-rig-registry-1f0c4a2b".
func UniqueName(what string) string {
	return NamePrefix + what + "-" + randomHex()
}

// randomHex returns 8 random hex digits.
func randomHex() string {
	b := make([]byte, 4)
	rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}
