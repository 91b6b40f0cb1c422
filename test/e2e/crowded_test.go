package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/docker/docker/api/types/network"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// crowded runs a job with this pool of subnets. Its preparation must fail.
func crowded(t *testing.T, p local.Payload, pool string) ran {
	t.Helper()
	settings, err := world.WriteSettings("crowded.toml", fmt.Sprintf("pool = %q\nsubnet_bits = 29\n", pool))
	if err != nil {
		t.Fatal(err)
	}
	r := runJob(t, p, withSettings(settings)).quietCleanup()
	if r.State != local.SystemFailure || r.Attempts != 3 {
		t.Errorf("the job ended as %s after %d attempts, want a system failure after 3", r.State, r.Attempts)
	}
	nothingLeft(t)
	return r
}

// The last subnet of the pool is taken by another network.
func TestAPoolWithoutAFreeSubnet(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	const pool = "10.219.73.0/29"
	n, err := world.Engine.NetworkCreate(t.Context(), "somebody-elses", network.CreateOptions{
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: pool}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Engine.NetworkRemove(context.Background(), n.ID); err != nil {
			t.Error(err)
		}
	})
	crowded(t, world.Job(`echo never`), pool).
		says("no free subnet for a sandbox in "+pool, "hint: widen network.pool").saysNot("never\n")
}

// A subnet of eight addresses has five for containers. This job wants more, so the engine
// refuses a container.
func TestASubnetWithoutRoomForAllContainers(t *testing.T) {
	p := world.Job(`echo never`)
	for i := range 5 {
		p.Services = append(p.Services, local.Image{Name: rig.ImageRedis, Alias: fmt.Sprintf("redis%d", i)})
	}
	crowded(t, p, "10.219.74.0/29").
		says("no available IPv4 addresses", "hint: the sandbox's subnet is too small").saysNot("never\n")
}
