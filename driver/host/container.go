package host

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/pattern"
)

// ofContainer matches the places, below an engine's data root, of files for mounts in each
// container, such as /etc/hostname.
var ofContainer = pattern.New(`/containers/([0-9a-f]{64})/(hostname|hosts|resolv\.conf)$`)

// Container returns the id of the container around this process, or "" without a container of a
// Docker Engine. root is the folder of this host's files.
func Container(root string) string {
	table, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return ""
	}
	return containerOf(table)
}

// containerOf reads mountinfo. The engine mounts some files below /etc of each container.
func containerOf(table []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(table))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // 36 35 98:0 /root /mount/point options …
		if len(f) < 6 || filepath.Dir(f[4]) != "/etc" {
			continue
		}
		if m := ofContainer.FindStringSubmatch(f[3]); m != nil {
			return m[1]
		}
	}
	return ""
}
