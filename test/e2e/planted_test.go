package e2e

import (
	"testing"

	"gitlab-dind-executor/test/plant"
	"gitlab-dind-executor/test/rig"
)

// The hooks put the CAs of registries into a job's container. A device node in
// its image was once opened on the host, and a disk overwritten.
func TestADeviceNodeInAnImageIsNotWrittenTo(t *testing.T) {
	disk := plant.NewDisk(t)
	certs := "/etc/docker/certs.d/" + world.Registry.Host
	p := world.Job(login, `head -1 `+certs+`/ca.crt`, `test ! -b `+certs+`/ca.crt && echo "no disk is here"`, `cat `+certs+`/client.cert`)
	p.Image.Name = rig.DeriveWith(t, world.Engine, rig.ImageCLI, []rig.File{
		{Path: certs + "/ca.crt", Device: disk.Number},
		{Path: certs + "/client.cert", Content: "the image's own\n"},
	})
	r := runJob(t, p)
	disk.Untouched(t)
	r.succeeded().says("BEGIN CERTIFICATE", "no disk is here", "the image's own")
}
