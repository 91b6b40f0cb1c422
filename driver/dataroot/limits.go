package dataroot

// Limits bound what is done to a data root that anybody may have filled. Time has
// its bound in the context. Depth needs none: what stays has the depth of the
// allow list, and what goes is removed without recursion.
type Limits struct {
	// Stay is how many entries may be looked at of what may stay. Contents of
	// layers do not count.
	Stay int
	// Removed is how many entries may be removed.
	Removed int
}

// DefaultLimits are for any data root of use: an image has about 60 entries in
// what daemons note of it, so that a million are of 15,000 images; and a hundred
// million removals take longer than any context allows.
func DefaultLimits() Limits { return Limits{Stay: 1_000_000, Removed: 100_000_000} }

// Sizes, in bytes, up to which a daemon's own files are taken for what they are.
const (
	// maxNote is for a line or two: digests, ids, dates.
	maxNote = 4 << 10
	// maxRecord is for JSON, which dockerd reads as a whole. Configurations of
	// images have some KB.
	maxRecord = 16 << 20
	// maxTar is for the headers of a layer's tar archive, which are read as a
	// stream: of 10^6 files some 50 MB.
	maxTar = 2 << 30
	// maxDB is for databases, which daemons map into memory.
	maxDB = 8 << 30
	// maxBlob is for what registries hold of a layer.
	maxBlob = 1 << 40
)
