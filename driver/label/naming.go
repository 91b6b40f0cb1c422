package label

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/driver/plan"
)

// Names of what outlives a job carry a whole hash. A pipeline has a hand in what
// is hashed, and a part of a hash can be met by trying.

// NetworkName is the anchor's.
func NetworkName(sandbox string) string { return "dind-" + sandbox }

// ObjectName names a sandbox's container or volume. The job container's name
// is what a claim creates.
func ObjectName(sandbox string, role plan.Role) string {
	return "dind-" + sandbox + "-" + string(role)
}

// ServiceName names service number i.
func ServiceName(sandbox string, i int) string {
	return fmt.Sprintf("%s-%d", ObjectName(sandbox, plan.RoleService), i)
}

// bareName begins the name of a bare sandbox's seat while no job has it.
const bareName = "dind-bare-"

// BareNames is a filter for the names of seats that no job has.
const BareNames = "^/?" + bareName

// BareName names a bare sandbox's seat when all of it is there. To give the seat
// another name is to take the sandbox: of all who ask the engine for that, one gets it.
func BareName(sandbox string) string { return bareName + sandbox }

// IsBare tells whether a seat has that name.
func IsBare(name string) bool { return strings.HasPrefix(name, bareName) }

// TakenName names the seat of a bare sandbox that a job took then.
func TakenName(sandbox string, at time.Time) string {
	return ObjectName(sandbox, plan.RoleSeat) + "-" + strconv.FormatInt(at.Unix(), 16)
}

// TakenAt is when a job took the sandbox of a seat of that name, if one has.
func TakenAt(sandbox, name string) (at time.Time, taken bool) {
	stamp, of := strings.CutPrefix(name, ObjectName(sandbox, plan.RoleSeat)+"-")
	seconds, err := strconv.ParseInt(stamp, 16, 64)
	if !of || err != nil {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}

// CacheHelperName names the helper that a claim adds for the job's cache.
func CacheHelperName(sandbox string) string {
	return ObjectName(sandbox, plan.RoleHelper) + "-cache"
}

// SubstituteName names the container that has the address of a sidecar that has ended.
func SubstituteName(sandbox string) string { return ObjectName(sandbox, plan.RoleRelay) + "-2" }

// CacheName names the cache of a scope.
func CacheName(scope string) string { return "dind-cache-" + Hashed(scope) }

// PathCacheName names the cache of a scope for one of cache.paths; "" is that for /cache.
func PathCacheName(scope, path string) string {
	if path == "" {
		return CacheName(scope)
	}
	return CacheName(scope + "\x00" + path)
}

// OwnCacheName names a cache that ends with its sandbox.
func OwnCacheName(sandbox, path string) string {
	name := ObjectName(sandbox, plan.RoleCache)
	if path == "" {
		return name
	}
	return name + "-" + Hashed(path)[:12]
}

// DataName names a cached data root: number slot of those of a scope that fit a
// kind of sidecar.
func DataName(scope, kind string, slot int) string {
	return fmt.Sprintf("dind-data-%s-%d", Hashed(scope+"\x00"+kind), slot)
}

// BaseName names the base of a cached data root's scope and kind.
func BaseName(data string) string {
	return data[:strings.LastIndexByte(data, '-')+1] + strconv.Itoa(plan.BaseSlot)
}

// IsBase tells whether a name of a cached data root is a base's.
func IsBase(data string) bool { return data == BaseName(data) }

// OldForm are names of what is cached that earlier versions gave. No job gets these
// any more, but they are found and removed.
var OldForm = regexp.MustCompile(`^dind-(data-[0-9a-f]{12}-[0-9]+|cache-[0-9a-f]{12})$`)

// StateName names the mark that says the state of a cached data root.
func StateName(volume string, state DataState) string { return volume + "-" + string(state) }

// ClearingName names the container that clears a cached data root for the job that
// has its lease. Behind a job it has the name of the lease itself.
func ClearingName(volume string) string { return volume + "-" + string(plan.RoleProgram) }

// SeedName names a seed that was made in a sandbox.
func SeedName(kind, sandbox string) string { return "dind-seed-" + kind + "-" + sandbox }

// ReadyName names the mark of a seed that is ready.
func ReadyName(seed string) string { return seed + "-ready" }

// UsedName names the mark that a sandbox's job leaves at a cached volume.
func UsedName(volume, sandbox string) string { return volume + "-used-" + sandbox }

// StuckSuffix ends the name of the mark of a stuck volume.
const StuckSuffix = "-stuck"

// StuckName names the mark of a volume that resists its removal.
func StuckName(volume string) string { return volume + StuckSuffix }

// NamesOf is a filter for the names that volumes of a sandbox have, or with ""
// for those of all volumes of ours. It lets more through than ours.
func NamesOf(sandbox string) string {
	if sandbox == "" {
		return "^dind-"
	}
	return "^dind-" + regexp.QuoteMeta(sandbox) + "-"
}

// Hashed is a whole SHA-256 in hex.
func Hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// short writes a hash in the fewest characters that a host name may have.
var short = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// LeaseName names the sidecar that has a cached data root, of 200 bits of a hash:
// two data roots of one name could do no worse than wait for each other. A
// container's name is in the DNS of its network. With more than 63 characters, a
// look for the name of its address takes 10 s and finds none.
func LeaseName(volume string) string {
	sum := sha256.Sum256([]byte(volume))
	return "dind-" + short.EncodeToString(sum[:25]) + "-" + string(plan.RoleSidecar)
}

// ScratchName names the volume over a VOLUME of a container's image.
func ScratchName(container string, i int) string { return fmt.Sprintf("%s-v%d", container, i) }

// SilentName names the volume that says that a registry, or a repository, is
// silent.
func SilentName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "dind-silent-" + hex.EncodeToString(sum[:])
}

// NewSandboxID makes a random id, 12 hex digits.
func NewSandboxID() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
