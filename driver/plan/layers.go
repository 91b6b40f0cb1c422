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

// LayersState says what became of the layers of earlier jobs. It is a value of a
// label.
type LayersState string

// The states.
const (
	// LayersReused: the inner daemon has the data root of an earlier job.
	LayersReused LayersState = "reused"
	// LayersCopied: it has a copy of the layers of earlier jobs, since those there are
	// serve other jobs or are of protected refs; this one is cached besides.
	LayersCopied LayersState = "copied"
	// LayersFirst: its scope had none, and will have this one.
	LayersFirst LayersState = "first"
	// LayersOther: those there are fit other daemons; this one is cached besides.
	LayersOther LayersState = "other"
	// LayersMore: those there are serve other jobs; this one is cached besides.
	LayersMore LayersState = "more"
	// LayersBusy: those there are serve other jobs, and no more are cached.
	LayersBusy LayersState = "busy"
	// LayersDamaged: the inner daemon did not come up on those there were, so the
	// job has a new sidecar with an empty data root.
	LayersDamaged LayersState = "damaged"
)

// dataRoots is how many data roots of one kind are cached for a scope, each for
// one of the jobs that run at once.
const dataRoots = 8

// Earlier tells whether a daemon has layers that jobs before it have left.
func (s LayersState) Earlier() bool { return s == LayersReused || s == LayersCopied }

// BaseSlot is the number of a data root that no daemon ever has: a copy of one that a
// job has left, where copies share blocks, for data roots that are still to be made.
const BaseSlot = 99

// baseEvery is how old the base of a scope may be before it is made anew: that takes
// some 0.1 ms of a processor for each file.
const baseEvery = time.Hour

// BaseDue tells whether a base is to be made anew, which was made then.
func BaseDue(made, now time.Time) bool {
	age := now.Sub(made)
	return age < 0 || age >= baseEvery
}

// DataRoot is a cached data root that a sidecar may have if no other has it.
type DataRoot struct {
	// Slot is its number among those of its scope and kind, from 0 on.
	Slot int
	// State is what a job with it has.
	State LayersState
}

// FilesThere in a sidecar says that its files are there already, and do not come on
// its stdin.
const FilesThere = "/etc/gitlab-dind-executor-files"

// DataRoots are those that a job may try to get, in that order: the cached ones,
// and then those that are still to be made. There are cached ones of the kind by
// slot, and others of the scope if so. Damaged ones, by slot, are nobody's. With base
// a new one begins as a copy of that.
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

// dataKind hashes all that decides whether a data root of one sidecar fits
// another: whose dockerd it is and of which version, where and as whom it
// writes, and what it is told. storage is the variable that names a driver.
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

// withCachedData is what comes first in a sidecar with a cached data root; dropNamed
// comes behind it, before the entrypoint.
func (s Sidecar) withCachedData() string { return "DATA='" + s.DataPath + "'\n" + findNames }
