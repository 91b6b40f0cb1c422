package e2e

import (
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/plant"
	"gitlab-dind-executor/test/rig"
)

// withADisk is a job whose image has a device node of the disk in the place of
// the registry's CA, and a file beside it. It looks at both, and puts a CA of its
// own there as pipelines do.
func withADisk(t *testing.T, disk *plant.Disk) local.Payload {
	t.Helper()
	certs := "/etc/docker/certs.d/" + world.Registry.Host
	p := world.Job(`head -1 `+certs+`/ca.crt`, `test ! -b `+certs+`/ca.crt && echo "no disk is here"`, `cat `+certs+`/client.cert`, `grep -q "certs.d/.*/ca.crt " /proc/self/mountinfo && echo "by a mount"`,
		`cp `+certs+`/ca.crt /tmp/own && cp /tmp/own `+certs+`/ca.crt && echo "a CA of its own"`)
	p.Steps = append(p.Steps, local.Step{Name: "after_script", Script: []string{`head -1 ` + certs + `/ca.crt`}, When: "always"})
	p.Image.Name = rig.DeriveWith(t, world.Engine, rig.ImageCLI, []rig.File{
		{Path: certs + "/ca.crt", Device: disk.Number},
		{Path: certs + "/client.cert", Content: "the image's own\n"},
	})
	p.Services = nil
	return p
}

var diskSays = []string{"BEGIN CERTIFICATE", "no disk is here", "the image's own", "by a mount", "a CA of its own", "Running after script", "BEGIN CERTIFICATE"}

// The hooks put the CAs of registries into a job's container. A device node in
// its image was once opened on the host, and a disk overwritten.
func TestADeviceNodeInAnImageIsNotWrittenTo(t *testing.T) {
	disk := plant.NewDisk(t)
	r := runJob(t, withADisk(t, disk))
	disk.Untouched(t)
	r.succeeded().says(diskSays...)
}

func TestADeviceNodeInAnImageIsNotWrittenToInASandboxThatWaited(t *testing.T) {
	disk := plant.NewDisk(t)
	p := startPool(t, "1", "")
	waiting := p.one()
	r, took := p.run(withADisk(t, disk))
	disk.Untouched(t)
	if r.succeeded().says(diskSays...); took != waiting {
		t.Errorf("the job ran in %s, not in %s", took, waiting)
	}
}
