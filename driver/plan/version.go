package plan

import (
	"fmt"
	"strconv"
	"strings"

	"gitlab-dind-executor/pattern"
)

// Version is a release of dockerd. The zero value means an unknown release.
type Version struct{ Major, Minor int }

var versionForm = pattern.New(`^v?([0-9]{1,4})\.([0-9]{1,4})`)

// ParseVersion parses the beginning of a version such as "28.1.1" or "18.06.3-ce".
func ParseVersion(s string) Version {
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		return Version{}
	}
	major, _ := strconv.Atoi(m[1]) // four digits at most
	minor, _ := strconv.Atoi(m[2])
	return Version{major, minor}
}

// ImageVersion returns the version of dockerd from a dind image's environment. Official
// images name it there.
func ImageVersion(environment []string) Version {
	for _, kv := range environment {
		if v, ok := strings.CutPrefix(kv, "DOCKER_VERSION="); ok {
			return ParseVersion(v)
		}
	}
	return Version{}
}

// Known tells whether the version is known.
func (v Version) Known() bool { return v != Version{} }

// Before tells whether v is older than major.minor.
func (v Version) Before(major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

// String writes a version as Docker does: 20.10, but 26 for all of 26.x, since from 23 on
// the second number is a patch.
func (v Version) String() string {
	if v.Major >= 23 {
		return strconv.Itoa(v.Major)
	}
	return fmt.Sprintf("%d.%02d", v.Major, v.Minor)
}
