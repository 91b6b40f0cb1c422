package plan

import "fmt"

// storageDriver describes a value of DOCKER_DRIVER.
type storageDriver struct {
	// filesystem is the file system that the data root must be on; empty for any.
	filesystem string
	// removed is the first release without the driver; zero for none.
	removed Version
	// honoured says that the driver works in a sidecar, given filesystem and removed.
	honoured bool
	// usual says that dockerd chooses the driver by itself.
	usual bool
}

// storageDrivers are all possible values of DOCKER_DRIVER. The daemon prefers overlay2,
// even to overlay, and therefore old pipelines name overlay2.
var storageDrivers = map[string]storageDriver{
	"overlay2":       {usual: true},
	"overlayfs":      {usual: true}, // the name in containerd's image store
	"vfs":            {honoured: true},
	"btrfs":          {honoured: true, filesystem: "btrfs"},
	"zfs":            {honoured: true, filesystem: "zfs"},
	"overlay":        {removed: Version{24, 0}},
	"aufs":           {removed: Version{24, 0}},
	"devicemapper":   {removed: Version{25, 0}},
	"fuse-overlayfs": {},
}

// storage turns a job's DOCKER_DRIVER into a variable for dockerd, or into a warning.
// dockerd would not start with a driver that does not work.
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

// UsualDriver tells whether dockerd chooses a storage driver by itself.
func UsualDriver(name string) bool { return storageDrivers[name].usual }
