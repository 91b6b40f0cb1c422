package plan

import (
	"encoding/json"
	"fmt"
	"maps"

	"gitlab-dind-executor/fault"
)

// MergeDaemonConfig lays ours under the image's own daemon.json, whose values
// win: an admin who bakes an image knows better. It returns nil when there is
// nothing to write.
func MergeDaemonConfig(ours map[string]any, image []byte) ([]byte, error) {
	merged := map[string]any{}
	maps.Copy(merged, ours)
	if len(image) > 0 {
		var theirs map[string]any
		if err := json.Unmarshal(image, &theirs); err != nil {
			return nil, fault.Job(fmt.Errorf("/etc/docker/daemon.json of the dind image: %w", err),
				"mend the file in the image")
		}
		maps.Copy(merged, theirs)
	}
	if len(merged) == 0 {
		return nil, nil
	}
	return json.MarshalIndent(merged, "", "  ")
}
