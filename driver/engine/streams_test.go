package engine

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"gitlab-dind-executor/test/fakeengine"
)

func TestAStreamThatBreaksOffIsNoEnd(t *testing.T) {
	stream := append(fakeengine.Frame("one"), fakeengine.Frame("twothree")...)
	whole := map[int]bool{0: true, 11: true, len(stream): true}
	for cut := range len(stream) + 1 {
		for name, r := range map[string]io.Reader{
			"at once": bytes.NewReader(stream[:cut]), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream[:cut])),
			"with its end": iotest.DataErrReader(bytes.NewReader(stream[:cut])),
		} {
			var out bytes.Buffer
			err := demux(&out, &out, r)
			if whole[cut] != (err == nil) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d of %d bytes, %s: %q, error %v", cut, len(stream), name, out.String(), err)
			}
			if cut == len(stream) && out.String() != "onetwothree" {
				t.Errorf("%s: %q", name, out.String())
			}
		}
	}
}
