package dataroot

// Limits bound the work on a data root that anybody may have filled. The context bounds the time.
// Depth needs no bound: kept entries have the depth of the allow list, and removal does not
// recurse.
type Limits struct {
	// Stay bounds the number of entries looked at among those that may stay. Contents of layers
	// do not count.
	Stay int
	// Removed bounds the number of entries removed.
	Removed int
}

// DefaultLimits suit any useful data root. Daemons write about 60 entries per image, so a million
// entries stand for 15,000 images. A hundred million removals take longer than any context
// allows.
func DefaultLimits() Limits { return Limits{Stay: 1_000_000, Removed: 100_000_000} }

// Largest sizes of a daemon's own files, in bytes.
const (
	// maxNote is for a line or two: digests, ids, dates.
	maxNote = 4 << 10
	// maxRecord is for JSON, which dockerd reads as a whole. Configurations of images have some
	// KB.
	maxRecord = 16 << 20
	// maxTar is for the headers of a layer's tar archive, which are read as a stream. 10^6 files
	// have about 50 MB of headers.
	maxTar = 2 << 30
	// maxDB is for databases, which daemons map into memory.
	maxDB = 8 << 30
	// maxBlob is for the blob of a layer, as a registry stores blobs.
	maxBlob = 1 << 40
)
