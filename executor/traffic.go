package executor

import (
	"fmt"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/hostfile"
)

// trafficFile is beside that of the peak, and for the same reason.
const trafficFile = "gitlab-dind-executor-traffic"

// noteTraffic leaves what was counted at the last look to the stage that tells. A script
// without a look leaves what is there.
func (e exit) noteTraffic(job string, seen looking.Traffic) error {
	if e.file == "" || seen.Received == 0 {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Write(trafficFile, fmt.Appendf(nil, "%d %d %s\n", seen.Received, seen.Written, job), 0o600)
}

// traffic is what was noted for a job; 0 when nobody has looked.
func (e exit) traffic(job string) looking.Traffic {
	if e.file == "" {
		return looking.Traffic{}
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return looking.Traffic{}
	}
	defer dir.Close()
	text, err := dir.ReadOwn(trafficFile, maxPeak)
	if err != nil {
		return looking.Traffic{}
	}
	var seen looking.Traffic
	var of string
	if n, err := fmt.Sscanf(strings.TrimSuffix(string(text), "\n"), "%d %d %s", &seen.Received, &seen.Written, &of); err != nil || n != 3 || of != job {
		return looking.Traffic{}
	}
	return seen
}
