package host

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLimitsOfAHost(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"proc/sys/kernel/pid_max":                                            "32768\n",
		"proc/sys/kernel/threads-max":                                        "nonsense\n",
		"proc/loadavg":                                                       "2.96 3.29 3.77 4/192 18604\n",
		"proc/sys/net/ipv4/neigh/default/gc_thresh3":                         "1024\n",
		"proc/net/stat/arp_cache":                                            "entries  allocs   destroys\n0000000a 0000825e 00006516\n0000000a 00000001 00000002\n",
		"proc/sys/net/netfilter/nf_conntrack_max":                            "262144\n",
		"proc/sys/net/netfilter/nf_conntrack_count":                          "96\n",
		"proc/sys/fs/inotify/max_user_instances":                             "128\n",
		"sys/fs/cgroup/cgroup.controllers":                                   "cpu memory pids\n",
		"proc/sys/fs/file-max":                                               "9223372036854775807\n",
		"proc/sys/fs/file-nr":                                                "1081\t0\t9223372036854775807\n",
		"proc/sys/kernel/keys/maxkeys":                                       "200\n",
		"proc/sys/kernel/keys/root_maxkeys":                                  "1000000\n",
		"proc/key-users":                                                     "    0:    10 9/9 4/1000000 110/25000000\n 1000:     3 3/3 3/200 60/20000\n",
		"sys/fs/cgroup/system.slice/docker.service/pids.max":                 "max\n",
		"sys/fs/cgroup/pids/system.slice/gitlab-runner.service/pids.max":     "4915\n",
		"sys/fs/cgroup/pids/system.slice/gitlab-runner.service/pids.current": "12\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "proc/7/fd"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"5": "anon_inode:inotify", "6": "/dev/null"} {
		if err := os.Symlink(to, filepath.Join(root, "proc/7/fd", name)); err != nil {
			t.Fatal(err)
		}
	}
	want := []Limit{
		{LimitPIDs, 32768, 192},
		{LimitNeighbors, 1024, 10},
		{LimitConntrack, 262144, 96},
		{LimitInotify, 128, 1},
		{LimitFiles, 9223372036854775807, 1081},
		{LimitKeys, 1000000, 4},
		{LimitUserKeys, 200, 3},
		{TasksRunner, 4915, 12},
	}
	if got := Limits(root); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Limits(t.TempDir()); len(got) > 0 {
		t.Errorf("a host that tells nothing has %v", got)
	}
}

func TestThisHostHasLimits(t *testing.T) {
	all := Limits("/")
	i := slices.IndexFunc(all, func(l Limit) bool { return l.Name == LimitPIDs })
	if i < 0 || all[i].Used < 1 || all[i].Used > all[i].Max {
		t.Errorf("this host has %v", all)
	}
}
