package driver

import (
	"encoding/binary"
	"io"

	"github.com/docker/docker/pkg/stdcopy"
)

// copyOutput copies both outputs of a container to out, in order. A stream that
// ends within a frame was broken off, and io.ErrUnexpectedEOF: stdcopy takes that
// for its end.
func copyOutput(out io.Writer, stream io.Reader) error {
	_, err := stdcopy.StdCopy(out, out, &frames{r: stream})
	return err
}

// frames passes a container's multiplexed stream on and keeps count of where it
// is in it.
type frames struct {
	r io.Reader
	// header is what has come of the frame's 8 bytes; the last 4 are a length.
	header []byte
	// rest is how much of the frame is still to come.
	rest uint32
}

func (f *frames) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	for read := p[:n]; len(read) > 0; {
		if f.rest > 0 {
			k := min(uint32(len(read)), f.rest)
			f.rest -= k
			read = read[k:]
			continue
		}
		k := min(len(read), 8-len(f.header))
		f.header = append(f.header, read[:k]...)
		read = read[k:]
		if len(f.header) == 8 {
			f.rest, f.header = binary.BigEndian.Uint32(f.header[4:]), f.header[:0]
		}
	}
	if err == io.EOF && (f.rest > 0 || len(f.header) > 0) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
