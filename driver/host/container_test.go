package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhichContainerThisIs(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for name, c := range map[string]struct{ table, want string }{
		"a host":                   {"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", ""},
		"a container":              {"600 500 8:1 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n", id},
		"one of another data root": {"600 500 8:1 /containers/" + id + "/resolv.conf /etc/resolv.conf rw - xfs /dev/sdb rw\n", id},
		"a host with a container's file somewhere": {"600 500 8:1 /var/lib/docker/containers/" + id + "/hostname /mnt/hostname rw - ext4 /dev/sda1 rw\n", ""},
		"a pod":    {"600 500 8:1 /var/lib/kubelet/pods/1/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n", ""},
		"nonsense": {"/etc/hostname\n\n1 2\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "proc/self"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "proc/self/mountinfo"), []byte(c.table), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := Container(root); got != c.want {
				t.Errorf("got %q, not %q", got, c.want)
			}
		})
	}
	if got := Container(t.TempDir()); got != "" {
		t.Errorf("without /proc it is %q", got)
	}
}
