package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
)

const (
	// SeedPath is where a sidecar finds the seed, until it has planted it.
	SeedPath = "/gitlab-dind-executor/seed"
	// SeedDir is the directory of a seed that is ours: with this program, the
	// seed's id, and the names of its images.
	SeedDir     = ".gitlab-dind-executor"
	SeedProgram = SeedDir + "/gitlab-dind-executor"
	SeedID      = SeedDir + "/id"
	SeedNames   = SeedDir + "/names"
	// SeedCommand copies a seed to a data root, in so many seconds at most, and
	// SealCommand ends the making of one.
	SeedCommand = "plant-seed"
	SealCommand = "seal-seed"
)

// SeedWish is a seed that the settings want.
type SeedWish struct {
	// ID hashes what the settings say of it.
	ID string
	// Image is that of the sidecar, and Images are what the seed holds, in full.
	Image  string
	Images []string
	// Unfit says why there can be none; empty if there can.
	Unfit string

	settings config.Settings
}

// SeedWishes are the seeds for jobs without a policy and for those of each, which
// declare no dind service of another release.
func SeedWishes(s config.Settings) []SeedWish {
	var wishes []SeedWish
	for _, s := range Variants(s) {
		w := SeedWish{Image: s.Sidecar.Image, Images: seedImages(s.Cache.SeedImages), settings: s}
		if len(w.Images) == 0 {
			continue
		}
		if p := s.Sidecar.Privilege; !seedable(p) {
			w.Unfit = fmt.Sprintf("sidecar.privilege is %q", p)
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", w.Image, s.Sidecar.Privilege, w.Images))
		w.ID = hex.EncodeToString(sum[:])
		if !slices.ContainsFunc(wishes, func(o SeedWish) bool { return o.ID == w.ID }) {
			wishes = append(wishes, w)
		}
	}
	return wishes
}

// seedable tells whether a sidecar of that privilege can copy a seed: one in a
// user namespace has other owners, and may not set all attributes.
func seedable(privilege string) bool {
	return privilege == config.PrivilegePrivileged || privilege == config.PrivilegeReduced
}

// seedImages are images by their full names, in order and without repeats.
func seedImages(names []string) []string {
	var full []string
	for _, n := range names {
		if named, err := reference.ParseNormalizedNamed(n); err == nil {
			full = append(full, reference.TagNameOnly(named).String())
		}
	}
	slices.Sort(full)
	return slices.Compact(full)
}

// seedLife is how long the sandbox that makes a seed may be there.
const seedLife = 6 * time.Hour

// BuildSeed plans the sidecar in which a seed is made, as it is for jobs.
func BuildSeed(w SeedWish, facts Facts) (*Plan, error) {
	s := w.settings
	s.Policies, s.Pool = nil, config.Pool{}
	s.Cache.Volume, s.Cache.Layers = false, config.LayersOff
	s.Helper.Image = s.Sidecar.Image // there is no helper
	p, err := Build(s, Job{Key: "seed", Timeout: seedLife, BuildsDir: "/builds"}, facts)
	if err != nil {
		return nil, err
	}
	// No job log names its image.
	p.Sidecar.Image.Announce = false
	return p, nil
}

// seedKind hashes all that decides whether a sidecar's daemon takes a seed's
// data: as for cached layers, whatever its flags but those about storage.
func (s Sidecar) seedKind(image DindImage, storage string, flags []string) string {
	if len(s.SeedImages) == 0 || s.Entrypoint != nil || slices.ContainsFunc(flags, aboutStorage) {
		return ""
	}
	b, err := json.Marshal([]any{s.dataKind(image, storage, nil), s.SeedImages})
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // plain data: cannot fail
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// aboutStorage tells whether an argument of dockerd changes where and how it
// writes. One that is no flag may start anything.
func aboutStorage(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	return slices.Contains([]string{"--storage-driver", "-s", "--storage-opt", "--data-root", "--graph", "-g", "--userns-remap", "--feature"}, name) ||
		strings.HasPrefix(arg, "-s") || strings.HasPrefix(arg, "-g")
}

// planting is what comes in a sidecar with a seed, behind the clearing of a cached
// data root.
func (s Sidecar) planting() string {
	bound := strconv.Itoa(int(cmp.Or(s.ReadyTimeout, time.Minute).Seconds() / 2))
	return "DATA='" + path.Clean(s.DataPath) + "'\n" + plantSeed + "plant_seed " + bound + " >&2 </dev/null\numount \"$seed\" 2>/dev/null\n"
}
