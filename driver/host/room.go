package host

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"

	"gitlab-dind-executor/driver/plan"
)

// Free reads this host's free room, in bytes; -1 is unknown. dataRoot is the engine's data root.
// A Runner in a container may see only the memory.
func Free(dataRoot string) plan.Free {
	free := plan.Free{Disk: -1, Memory: -1}
	var fs syscall.Statfs_t
	if dataRoot != "" && syscall.Statfs(dataRoot, &fs) == nil {
		free.Disk = int64(fs.Bavail) * fs.Bsize
	}
	if table, err := os.ReadFile("/proc/meminfo"); err == nil {
		free.Memory = memAvailable(table)
	}
	return free
}

// Memory is the whole memory of this host in bytes; 0 if unknown.
func Memory() int64 {
	table, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return max(0, memLine(table, "MemTotal:"))
}

// memAvailable reads /proc/meminfo: bytes, or -1.
func memAvailable(table []byte) int64 { return memLine(table, "MemAvailable:") }

// memLine finds a line of /proc/meminfo: bytes, or -1.
func memLine(table []byte, name string) int64 {
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // MemAvailable:   24135004 kB
		if len(f) == 3 && f[0] == name && f[2] == "kB" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil && n >= 0 {
				return n << 10
			}
		}
	}
	return -1
}
