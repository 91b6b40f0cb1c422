package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Limit is a limit of this host that all jobs share.
type Limit struct {
	// Name is a sysctl's name, or TasksMax= of a unit.
	Name string
	// Max is the largest number allowed, Used the present number. Used leaves out uses hidden
	// from this process.
	Max, Used int64
}

// Names of the limits that Limits reads.
const (
	LimitPIDs      = "kernel.pid_max"
	LimitThreads   = "kernel.threads-max"
	LimitNeighbors = "net.ipv4.neigh.default.gc_thresh3"
	LimitConntrack = "net.netfilter.nf_conntrack_max"
	LimitInotify   = "fs.inotify.max_user_instances"
	LimitFiles     = "fs.file-max"
	LimitKeys      = "kernel.keys.root_maxkeys"
	LimitUserKeys  = "kernel.keys.maxkeys"
	TasksDocker    = "TasksMax= of docker.service"
	TasksShims     = "TasksMax= of containerd.service"
	TasksRunner    = "TasksMax= of gitlab-runner.service"
)

// Limits are the limits of the host whose files lie below root. Unknown limits, and limits that
// bound nothing, are left out.
func Limits(root string) []Limit {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	var all []Limit
	add := func(name, most string, used int64) {
		if n, err := strconv.ParseInt(most, 10, 64); err == nil && n > 0 {
			all = append(all, Limit{name, n, used})
		}
	}
	sysctl := func(name string) string { return read("proc/sys/" + strings.ReplaceAll(name, ".", "/")) }
	tasks := tasksOf(read("proc/loadavg"))
	add(LimitPIDs, sysctl(LimitPIDs), tasks)
	add(LimitThreads, sysctl(LimitThreads), tasks)
	add(LimitNeighbors, sysctl(LimitNeighbors), neighbors(read("proc/net/stat/arp_cache")))
	add(LimitConntrack, sysctl(LimitConntrack), number(sysctl("net.netfilter.nf_conntrack_count")))
	if read("sys/fs/cgroup/cgroup.controllers") != "" { // only with version 2 does an instance watch each container
		add(LimitInotify, sysctl(LimitInotify), inotify(filepath.Join(root, "proc")))
	}
	open, _, _ := strings.Cut(sysctl("fs.file-nr"), "\t")
	add(LimitFiles, sysctl(LimitFiles), number(open))
	keys := read("proc/key-users")
	add(LimitKeys, sysctl(LimitKeys), keysOf(keys, 0))
	add(LimitUserKeys, sysctl(LimitUserKeys), keysOf(keys, rootlessUser))
	for _, name := range []string{TasksDocker, TasksShims, TasksRunner} {
		unit := strings.TrimPrefix(name, "TasksMax= of ")
		for _, tree := range []string{"sys/fs/cgroup/system.slice/", "sys/fs/cgroup/pids/system.slice/"} {
			add(name, read(tree+unit+"/pids.max"), number(read(tree+unit+"/pids.current")))
		}
	}
	return all
}

// rootlessUser is the user of dind-rootless images, on the host as in the image.
const rootlessUser = 1000

// number parses a number; 0 for anything else.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// tasksOf reads /proc/loadavg: 0.10 0.20 0.30 2/345 6789.
func tasksOf(loads string) int64 {
	f := strings.Fields(loads)
	if len(f) < 4 {
		return 0
	}
	_, all, _ := strings.Cut(f[3], "/")
	return number(all)
}

// neighbors reads /proc/net/stat/arp_cache. Each processor has a line, and each line has the
// number of entries, in hex, of the one table for all networks of the host.
func neighbors(table string) int64 {
	lines := strings.Split(table, "\n")
	if len(lines) < 2 {
		return 0
	}
	first, _, _ := strings.Cut(lines[1], " ")
	n, _ := strconv.ParseInt(first, 16, 64)
	return n
}

// keysOf reads a user's number of keys in /proc/key-users: 0: 10 9/9 4/1000000 110/25000000.
func keysOf(table string, uid int64) int64 {
	for line := range strings.Lines(table) {
		user, rest, _ := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if len(f) == 4 && number(strings.TrimSpace(user)) == uid {
			has, _, _ := strings.Cut(f[2], "/")
			return number(has)
		}
	}
	return 0
}

// inotify counts the inotify instances of this process's user. Doctor has to run as root to see
// those of the engine and of privileged sidecars.
func inotify(proc string) (instances int64) {
	processes, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	for _, p := range processes {
		info, err := os.Stat(p)
		if err != nil {
			continue // the process has ended
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != uint32(os.Geteuid()) {
			continue
		}
		files, _ := os.ReadDir(filepath.Join(p, "fd"))
		for _, f := range files {
			if to, _ := os.Readlink(filepath.Join(p, "fd", f.Name())); to == "anon_inode:inotify" {
				instances++
			}
		}
	}
	return instances
}
