package dataroot

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fits is an error if an entry does not fit its rule.
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

// usual are extended attributes that hosts add by themselves, or beginnings of their names:
// security labels, measurements, access lists of the parent directory.
var usual = []string{"security.selinux", "security.SMACK64", "security.ima", "security.evm", "system.posix_acl_", "btrfs."}

// usualAttributes is an error for an extended attribute that neither daemons nor hosts set on a
// daemon's files.
func usualAttributes(list []byte) error {
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) > 0 && !slices.ContainsFunc(usual, func(u string) bool { return strings.HasPrefix(string(name), u) }) {
			return throwAway("it has the extended attribute %s", shown(string(name)))
		}
	}
	return nil
}

// digestOf reads the hexadecimal part of a sha256 digest, the only kind that daemons compute.
func digestOf(s string) (string, error) {
	name, ok := strings.CutPrefix(strings.TrimSpace(s), "sha256:")
	if !ok || !digestName.MatchString(name) {
		return "", fmt.Errorf("%s is no digest", shown(s))
	}
	return name, nil
}
