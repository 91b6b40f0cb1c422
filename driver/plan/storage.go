package plan

import "fmt"

// storageDriver is what is known of a value of DOCKER_DRIVER.
type storageDriver struct {
	// filesystem is what the data root must lie on; empty for any.
	filesystem string
	// removed is the first release without it; zero if there is none.
	removed Version
	// honoured says that it works in a sidecar where those two hold.
	honoured bool
	// usual says that the daemon takes it of its own accord.
	usual bool
}

// storageDrivers are all that DOCKER_DRIVER may name. The daemon prefers
// overlay2, also over overlay, which is why old pipelines name it.
var storageDrivers = map[string]storageDriver{
	"overlay2":       {usual: true},
	"overlayfs":      {usual: true}, // what containerd's image store calls it
	"vfs":            {honoured: true},
	"btrfs":          {honoured: true, filesystem: "btrfs"},
	"zfs":            {honoured: true, filesystem: "zfs"},
	"overlay":        {removed: Version{24, 0}},
	"aufs":           {removed: Version{24, 0}},
	"devicemapper":   {removed: Version{25, 0}},
	"fuse-overlayfs": {},
}

// storage decides what becomes of the DOCKER_DRIVER of a job: a variable for
// dockerd, which would not start with one that does not work, or a warning.
func storage(driver string, version Version, filesystem string) (env, warning string) {
	d, known := storageDrivers[driver]
	switch {
	case driver == "" || d.usual:
		return "", ""
	case !known:
		return "", "DOCKER_DRIVER is ignored: docker has no storage driver of that name"
	case d.removed.Known() && version.Known() && !version.Before(d.removed.Major, d.removed.Minor):
		return "", fmt.Sprintf("DOCKER_DRIVER=%s is ignored: docker %s has no such storage driver", driver, version)
	case d.honoured && (d.filesystem == "" || d.filesystem == filesystem):
		return "DOCKER_DRIVER=" + driver, ""
	case d.filesystem != "":
		return "", fmt.Sprintf("DOCKER_DRIVER=%s is ignored: it needs %s under this host's volumes", driver, d.filesystem)
	default:
		return "", fmt.Sprintf("DOCKER_DRIVER=%s is ignored: overlay2 serves better here", driver)
	}
}

// UsualDriver tells a storage driver that dockerd takes of its own accord.
func UsualDriver(name string) bool { return storageDrivers[name].usual }
