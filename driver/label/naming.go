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
	"gitlab-dind-executor/pattern"
)

// Names of objects that outlive a job have a whole hash. A pipeline influences the hashed text,
// and could hit a part of a hash by trying.

// NetworkName names a sandbox's network, its anchor.
func NetworkName(sandbox string) string { return "dind-" + sandbox }

// ObjectName names a sandbox's container or volume. A claim is the creation of the job
// container's name.
func ObjectName(sandbox string, role plan.Role) string {
	return "dind-" + sandbox + "-" + string(role)
}

// ServiceName names service number i.
func ServiceName(sandbox string, i int) string {
	return fmt.Sprintf("%s-%d", ObjectName(sandbox, plan.RoleService), i)
}

// bareName begins the name of a bare sandbox's seat while no job has it.
const bareName = "dind-bare-"

// BareNames is a filter for the names of seats without a job.
const BareNames = "^/?" + bareName

// BareName names a bare sandbox's seat once the sandbox is complete. A job takes the sandbox by
// renaming the seat: the engine lets only one of several jobs do so.
func BareName(sandbox string) string { return bareName + sandbox }

// IsBare tells whether a name is a seat's name before a claim.
func IsBare(name string) bool { return strings.HasPrefix(name, bareName) }

// TakenName names the seat of a bare sandbox that a job took at a time.
func TakenName(sandbox string, at time.Time) string {
	return ObjectName(sandbox, plan.RoleSeat) + "-" + strconv.FormatInt(at.Unix(), 16)
}

// TakenAt is the time when a job took the sandbox of a seat, by the seat's name.
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

// SubstituteName names the container with the address of an ended sidecar.
func SubstituteName(sandbox string) string { return ObjectName(sandbox, plan.RoleRelay) + "-2" }

// CacheName names the cache of a scope.
func CacheName(scope string) string { return "dind-cache-" + Hashed(scope) }

// PathCacheName names a scope's cache for an entry of cache.paths; "" stands for /cache.
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

// DataName names a cached data root: number slot among those of a scope for a kind of sidecar.
func DataName(scope, kind string, slot int) string {
	return fmt.Sprintf("dind-data-%s-%d", Hashed(scope+"\x00"+kind), slot)
}

// BaseName names the base of a cached data root's scope and kind.
func BaseName(data string) string {
	return data[:strings.LastIndexByte(data, '-')+1] + strconv.Itoa(plan.BaseSlot)
}

// IsBase tells whether a name of a cached data root is a base's.
func IsBase(data string) bool { return data == BaseName(data) }

// OldForm matches names of cached volumes by earlier versions. No job gets these volumes any
// more, but they are found and removed.
var OldForm = pattern.New(`^dind-(data-[0-9a-f]{12}-[0-9]+|cache-[0-9a-f]{12})$`)

// StateName names the mark for the state of a cached data root.
func StateName(volume string, state DataState) string { return volume + "-" + string(state) }

// ClearingName names the container that clears a cached data root for the job with its lease.
// Behind a job the container has the name of the lease itself.
func ClearingName(volume string) string { return volume + "-" + string(plan.RoleProgram) }

// SeedName names a seed made in a sandbox.
func SeedName(kind, sandbox string) string { return "dind-seed-" + kind + "-" + sandbox }

// ReadyName names the mark of a seed that is ready.
func ReadyName(seed string) string { return seed + "-ready" }

// UsedName names the mark that a sandbox's job leaves at a cached volume.
func UsedName(volume, sandbox string) string { return volume + "-used-" + sandbox }

// StuckSuffix ends the name of the mark of a stuck volume.
const StuckSuffix = "-stuck"

// StuckName names the mark of a volume that resists its removal.
func StuckName(volume string) string { return volume + StuckSuffix }

// NamesOf is a filter for the names of a sandbox's volumes or, with "", of all volumes of ours.
// Other names may pass the filter, too.
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

// LeaseName names the sidecar with a cached data root, by 200 bits of a hash. If two data roots
// had one name, the worst would be that they wait for each other. A container's name is in the
// DNS of its network. For a name of more than 63 characters, a lookup by address takes 10 s and
// finds nothing.
func LeaseName(volume string) string {
	sum := sha256.Sum256([]byte(volume))
	return "dind-" + short.EncodeToString(sum[:25]) + "-" + string(plan.RoleSidecar)
}

// ScratchName names the volume over a VOLUME of a container's image.
func ScratchName(container string, i int) string { return fmt.Sprintf("%s-v%d", container, i) }

// SilentName names the note that a registry, or a repository, is silent.
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
