package removal

import (
	"fmt"
	"os"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
)

// seesMounts tells whether this process sees what is mounted on the engine's host, and
// may change it.
func (r *Remover) seesMounts() bool { return r.eng.Local() && os.Geteuid() == 0 }

// mountedIn tells whether something is mounted in a volume: whoever removes its
// files would remove what is mounted.
func (r *Remover) mountedIn(volume string) bool { return r.seesMounts() && host.MountedIn(volume) }

// unmountIn takes away what is mounted in a volume that is about to be removed, as
// far as this process sees that: it must be root on the engine's host.
func (r *Remover) unmountIn(v engine.Volume) error {
	if !r.seesMounts() || v.Mountpoint == "" {
		return nil
	}
	if err := host.UnmountBelow(v.Mountpoint); err != nil {
		return fmt.Errorf("what is mounted in volume %s: %w", v.Name, err)
	}
	return nil
}
