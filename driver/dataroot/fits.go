package dataroot

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fits tells what an entry is that its rule does not want.
func (r rule) fits(h *handle) error {
	switch {
	case r.link:
		if !h.isLink() || h.Nlink != 1 {
			return throwAway("it is %s with %d names, not a symbolic link", h.kind(), h.Nlink)
		}
		return nil
	case r.dir:
		if !h.isDir() {
			return throwAway("it is %s, not a directory", h.kind())
		}
		return nil
	case !h.isRegular():
		return throwAway("it is %s, not a file", h.kind())
	case h.Nlink != 1:
		return throwAway("it has %d names", h.Nlink)
	case h.Mode&(unix.S_ISUID|unix.S_ISGID) != 0:
		return throwAway("it is setuid or setgid")
	case h.Size > uint64(r.max):
		return throwAway("it has %d bytes, more than %d", h.Size, r.max)
	case h.Attributes&unix.STATX_ATTR_VERITY != 0 && r.max != maxBlob:
		return throwAway("it is sealed with fs-verity")
	}
	return nil
}

// usual are extended attributes, or beginnings of such, that hosts give to files
// of their own accord: labels, measurements, access lists of the directory above.
var usual = []string{"security.selinux", "security.SMACK64", "security.ima", "security.evm", "system.posix_acl_", "btrfs."}

// usualAttributes tells of an extended attribute that no daemon and no host gives
// to what daemons note.
func usualAttributes(list []byte) error {
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) > 0 && !slices.ContainsFunc(usual, func(u string) bool { return strings.HasPrefix(string(name), u) }) {
			return throwAway("it has the extended attribute %s", shown(string(name)))
		}
	}
	return nil
}

// digestOf is the name in a digest of the one algorithm that daemons compute.
func digestOf(s string) (string, error) {
	name, ok := strings.CutPrefix(strings.TrimSpace(s), "sha256:")
	if !ok || !digestName.MatchString(name) {
		return "", fmt.Errorf("%s is no digest", shown(s))
	}
	return name, nil
}
