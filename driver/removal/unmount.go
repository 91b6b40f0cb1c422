package removal

import (
	"fmt"
	"os"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
)

// seesMounts tells whether this process sees and may change the mounts of the engine's host.
func (r *Remover) seesMounts() bool { return r.eng.Local() && os.Geteuid() == 0 }

// mountedIn tells whether something is mounted in a volume. Removing the volume's files would
// remove the files of the mount.
func (r *Remover) mountedIn(volume string) bool { return r.seesMounts() && host.MountedIn(volume) }

// unmountIn unmounts everything inside a volume before its removal. Only root on the engine's
// host can; any other process gets nil.
func (r *Remover) unmountIn(v engine.Volume) error {
	if !r.seesMounts() || v.Mountpoint == "" {
		return nil
	}
	if err := host.UnmountBelow(v.Mountpoint); err != nil {
		return fmt.Errorf("what is mounted in volume %s: %w", v.Name, err)
	}
	return nil
}
