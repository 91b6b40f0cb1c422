package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/distribution/reference"
)

// LayersState says how a sidecar got the layers of earlier jobs, or why not. It is a
// label's value.
type LayersState string

// The states of layers.
const (
	// LayersReused: the inner daemon has the data root of an earlier job.
	LayersReused LayersState = "reused"
	// LayersCopied: the inner daemon has a copy of earlier layers. The originals serve
	// other jobs, or belong to protected refs. The copy is cached, too.
	LayersCopied LayersState = "copied"
	// LayersFirst: the scope had no layers, and this data root is its first.
	LayersFirst LayersState = "first"
	// LayersOther: the scope's layers fit other daemons only. This data root is cached,
	// too.
	LayersOther LayersState = "other"
	// LayersMore: the scope's layers serve other jobs. This data root is cached, too.
	LayersMore LayersState = "more"
	// LayersBusy: the scope's layers serve other jobs, and no further data root is cached.
	LayersBusy LayersState = "busy"
	// LayersDamaged: the inner daemon did not boot on earlier layers, so the job has a new
	// sidecar with an empty data root.
	LayersDamaged LayersState = "damaged"
)

// dataRoots is how many data roots of a kind are cached for a scope: one for each of the
// jobs that run at once.
const dataRoots = 8

// Earlier tells whether the daemon has layers of earlier jobs.
func (s LayersState) Earlier() bool { return s == LayersReused || s == LayersCopied }

// BaseSlot is the slot of a base: a copy of a job's data root that no daemon ever has. New
// data roots are copied from it. It exists where copies share blocks.
const BaseSlot = 99

// baseEvery is the age at which the base of a scope is made anew. Making a base takes about
// 0.1 ms of processor time for each file.
const baseEvery = time.Hour

// BaseDue tells whether a base made at a time must be made anew.
func BaseDue(made, now time.Time) bool {
	age := now.Sub(made)
	return age < 0 || age >= baseEvery
}

// DataRoot is a cached data root that a sidecar may lease.
type DataRoot struct {
	// Slot is the number of the data root within its scope and kind, from 0 on.
	Slot int
	// State is the state of a job's layers with this data root.
	State LayersState
}

// FilesThere is a file in a sidecar. It says that the sidecar's other files exist already,
// and do not come on stdin.
const FilesThere = "/etc/gitlab-dind-executor-files"

// DataRoots returns the data roots that a job may try, in order. Cached data roots come
// first, then data roots still to be made. cached and damaged are slots of the sidecar's
// kind. others says that the scope has data roots of other kinds. With base, a new data
// root begins as a copy. Damaged data roots are left out.
func DataRoots(cached, damaged []int, others, base bool) []DataRoot {
	var reuse, fresh []DataRoot
	for slot := range dataRoots {
		switch {
		case slices.Contains(damaged, slot):
		case slices.Contains(cached, slot):
			reuse = append(reuse, DataRoot{slot, LayersReused})
		case base:
			fresh = append(fresh, DataRoot{slot, LayersCopied})
		case len(cached) > 0:
			fresh = append(fresh, DataRoot{slot, LayersMore})
		case others:
			fresh = append(fresh, DataRoot{slot, LayersOther})
		default:
			fresh = append(fresh, DataRoot{slot, LayersFirst})
		}
	}
	return append(reuse, fresh...)
}

// dataKind hashes everything that decides whether a data root fits a sidecar: the maker and
// version of dockerd, its paths, user and arguments. storage is the environment entry that
// names a storage driver, or empty.
func (s Sidecar) dataKind(image DindImage, storage string, command []string) string {
	version := image.ID
	if image.Docker.Known() {
		version = image.Docker.String()
	}
	name := s.Image.Name
	if named, err := reference.ParseNormalizedNamed(name); err == nil {
		name = named.Name()
	}
	b, err := json.Marshal(struct {
		Image, Version, Platform, Storage, DataPath, User string
		Privileged                                        bool
		Rights                                            Rights
		Entrypoint, Command                               []string
	}{name, version, s.Image.Platform, storage, s.DataPath, s.User, s.Privileged, s.Rights, s.Entrypoint, command})
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // plain data: cannot fail
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// withCachedData is the first part of the boot script of a sidecar with a cached data root.
// dropNamed follows before the entrypoint.
func (s Sidecar) withCachedData() string { return "DATA='" + s.DataPath + "'\n" + findNames }
