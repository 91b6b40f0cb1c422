package driver

import (
	"context"
	"io"
	"net"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/wary"
)

// maxInner limits the answers over a connection to an inner daemon, in bytes. A pull
// reports its progress there, with some hundred bytes for each step of a layer.
const maxInner = 64 << 20

// inner connects to the docker daemon in a sidecar through the engine. So it works wherever
// the engine can be reached, and needs no certificates.
func (d *Driver) inner(sidecar string) (*Driver, error) {
	eng, err := engine.OpenBy("sidecar "+sidecar, func(ctx context.Context) (net.Conn, error) {
		return d.eng.Dial(ctx, sidecar, []string{"docker", "--host", "unix:///var/run/docker.sock", "system", "dial-stdio"},
			func(answers io.Reader) io.Reader { return wary.Reader(answers, maxInner) })
	})
	if err != nil {
		return nil, err
	}
	return &Driver{eng: eng, images: images.NewStore(eng)}, nil
}
