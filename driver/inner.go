package driver

import (
	"context"
	"io"
	"net"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/wary"
)

// maxInner bounds what one connection to an inner daemon may answer, in bytes. A
// pull tells its progress there, some hundred bytes for each step of a layer.
const maxInner = 64 << 20

// inner connects to the docker daemon in a sidecar, by way of the engine: from
// wherever that can be reached, and without certificates.
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
