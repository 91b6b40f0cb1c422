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
	// SeedPath is where a sidecar finds the seed until the seed is copied.
	SeedPath = "/gitlab-dind-executor/seed"
	// SeedDir is our directory in a seed. It contains this program, the seed's id, and the
	// names of its images.
	SeedDir     = ".gitlab-dind-executor"
	SeedProgram = SeedDir + "/gitlab-dind-executor"
	SeedID      = SeedDir + "/id"
	SeedNames   = SeedDir + "/names"
	// SeedCommand copies a seed to a data root, within a number of seconds. SealCommand is
	// the last step when a seed is made.
	SeedCommand = "plant-seed"
	SealCommand = "seal-seed"
)

// SeedWish is a seed that the settings want.
type SeedWish struct {
	// ID hashes the settings about the seed.
	ID string
	// Image is the sidecar's image. Images are the full names of the images in the seed.
	Image  string
	Images []string
	// Unfit is the reason why the seed cannot be made; empty if it can.
	Unfit string

	settings config.Settings
}

// SeedWishes returns the seeds for jobs without a policy and for the jobs of each policy.
// They serve jobs whose dind service has no other release.
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

// seedable tells whether a sidecar of the privilege can copy a seed. In a user namespace
// owners differ, and not all attributes can be set.
func seedable(privilege string) bool {
	return privilege == config.PrivilegePrivileged || privilege == config.PrivilegeReduced
}

// seedImages returns images by full name, sorted and without repeats.
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

// seedLife is the longest time that the sandbox of a seed in the making may exist.
const seedLife = 6 * time.Hour

// BuildSeed plans the sidecar in which a seed is made, as for jobs.
func BuildSeed(w SeedWish, facts Facts) (*Plan, error) {
	s := w.settings
	s.Policies, s.Pool = nil, config.Pool{}
	s.Cache.Volume, s.Cache.Layers = false, config.LayersOff
	s.Helper.Image = s.Sidecar.Image // a seed needs no helper
	p, err := Build(s, Job{Key: "seed", Timeout: seedLife, BuildsDir: "/builds"}, facts)
	if err != nil {
		return nil, err
	}
	// The image appears in no job log.
	p.Sidecar.Image.Announce = false
	return p, nil
}

// seedKind hashes everything that decides whether a daemon accepts a seed's data. The hash
// covers the same as for cached layers, except flags. With an entrypoint of the pipeline's
// or flags about storage there is no seed, and the result is empty.
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

// aboutStorage tells whether an argument of dockerd changes where and how it writes.
func aboutStorage(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	return slices.Contains([]string{"--storage-driver", "-s", "--storage-opt", "--data-root", "--graph", "-g", "--userns-remap", "--feature"}, name) ||
		strings.HasPrefix(arg, "-s") || strings.HasPrefix(arg, "-g")
}

// planting is the part of a sidecar's boot script that copies the seed. It follows the
// clearing of a cached data root.
func (s Sidecar) planting() string {
	bound := strconv.Itoa(int(cmp.Or(s.ReadyTimeout, time.Minute).Seconds() / 2))
	return "DATA='" + path.Clean(s.DataPath) + "'\n" + plantSeed + "plant_seed " + bound + " >&2 </dev/null\numount \"$seed\" 2>/dev/null\n"
}
