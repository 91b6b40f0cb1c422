package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"

	"gitlab-dind-executor/test/lab"
)

// crowd is the number of sandboxes of others.
var crowd = flag.Int("crowd", 200, "how many `sandboxes` of others a job is measured beside")

const (
	// crowdAtOnce are how many sandboxes of a crowd are made and removed side by side.
	crowdAtOnce = 4
	// manyBound is for making, measuring and removing a crowd.
	manyBound = 20 * time.Minute
	// crowdRange is the address range of a crowd's networks, from RFC 2544. No host has such
	// addresses.
	crowdRange = "198.18.0.0"
	// crowdBits is the prefix length of each network. Nobody is in the networks.
	crowdBits = 29
)

// The keys of prepare and cleanup for a job alone, and for a job in a crowd.
const (
	alonePrepare, aloneCleanup = "M0", "M0K"
	crowdPrepare, crowdCleanup = "MN", "MNK"
)

// many measures a job beside the sandboxes of many others. The crowd copies a sandbox of this
// run, with its names, labels, networks and volumes. The copies never start, because running
// containers would take processor time from the measured job.
func (b *bench) many() table {
	return table{
		key: "many", title: fmt.Sprintf("A job beside %d sandboxes of others, which do not run", *crowd), rounds: 1,
		trials: []trial{{
			figures: []figure{
				{alonePrepare, "prepare, alone", "ms"},
				{crowdPrepare, fmt.Sprintf("prepare, beside %d", *crowd), "ms"},
				{aloneCleanup, "cleanup, alone", "ms"},
				{crowdCleanup, fmt.Sprintf("cleanup, beside %d", *crowd), "ms"},
			},
			measure: b.besideMany, bound: manyBound,
		}},
	}
}

// besideMany measures the lone job before and behind the crowd. So a machine that became slower
// in between does not count as growth.
func (b *bench) besideMany(ctx context.Context, n note) (err error) {
	half := max(1, (b.rounds+1)/2)
	measure := func(rounds int, prepare, cleanup string) error {
		for round := range rounds + 1 {
			to := n
			if round == 0 { // the first round warms up the engine
				to = func(string, float64) {}
			}
			if err := b.preparedAndEnded(ctx, prepare, cleanup, to); err != nil {
				return err
			}
		}
		return nil
	}
	if err := measure(half, alonePrepare, aloneCleanup); err != nil {
		return err
	}
	ids, err := b.gather(ctx)
	if err == nil {
		err = measure(b.rounds, crowdPrepare, crowdCleanup)
	}
	if err := errors.Join(err, b.disperse(ctx, ids)); err != nil {
		return err
	}
	return measure(half, alonePrepare, aloneCleanup)
}

// preparedAndEnded takes a sample of both hooks. Nothing of an earlier job goes on meanwhile.
func (b *bench) preparedAndEnded(ctx context.Context, prepare, cleanup string, n note) (err error) {
	if err := b.quiet(ctx); err != nil {
		return err
	}
	j, err := b.newHookedJob(ctx, b.lab.Settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.end(ctx)) }()
	prepared, err := j.call(ctx, nil, "prepare")
	if err != nil {
		return err
	}
	sandbox, err := j.sandbox(ctx)
	if err != nil {
		return err
	}
	if err := b.answers(ctx, sandbox); err != nil {
		return err
	}
	ended, err := j.call(ctx, nil, "cleanup")
	if err != nil {
		return err
	}
	n(prepare, ms(prepared))
	n(cleanup, ms(ended))
	return nil
}

// gather makes the crowd. ids are all sandboxes that may exist, also after a failure.
func (b *bench) gather(ctx context.Context) (ids []string, err error) {
	j, model, err := b.used(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.end(ctx), b.quiet(ctx)) }()
	list, err := b.containers(ctx, labelSandbox+"="+model)
	if err != nil {
		return nil, err
	}
	var containers []container.InspectResponse
	for _, c := range list {
		full, err := b.lab.Engine.ContainerInspect(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		containers = append(containers, full)
	}
	anchor, err := b.lab.Engine.NetworkInspect(ctx, "dind-"+model, network.InspectOptions{})
	if err != nil {
		return nil, err
	}
	for i := range *crowd {
		ids = append(ids, fmt.Sprintf("%06x%06x", os.Getpid()&0xffffff, i))
	}
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(crowdAtOnce)
	for i, id := range ids {
		twin := twin{model: model, id: id, job: fmt.Sprintf("%s/%d", b.instance, j.id), subnet: crowdSubnet(i)}
		g.Go(func() error { return b.makeTwin(gctx, twin, anchor, containers) })
	}
	err = g.Wait()
	fmt.Fprintf(b.out, "  %d sandboxes made in %s", len(ids), time.Since(began).Round(time.Second))
	return ids, err
}

// crowdSubnet is subnet number i of the crowd.
func crowdSubnet(i int) netip.Prefix {
	first := netip.MustParseAddr(crowdRange).As4()
	at := uint32(first[0])<<24 | uint32(first[1])<<16 | uint32(i)<<(32-crowdBits)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), crowdBits)
}

// twin is a copy of a sandbox.
type twin struct {
	// model is the copied sandbox's id, and job its job. id is the copy's id.
	model, job, id string
	subnet         netip.Prefix
}

// like turns the engine's description of a model's object into a request for the twin's. Names
// and labels have the id in them.
func (t twin) like(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	other := strings.NewReplacer(t.model, t.id, `"`+t.job+`"`, `"`+t.job+"-"+t.id+`"`)
	return json.Unmarshal([]byte(other.Replace(string(text))), to)
}

func (b *bench) makeTwin(ctx context.Context, t twin, anchor network.Inspect, containers []container.InspectResponse) error {
	opts := network.CreateOptions{Driver: anchor.Driver, Options: anchor.Options, IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: t.subnet.String()}}}}
	if err := t.like(anchor.Labels, &opts.Labels); err != nil {
		return err
	}
	name := "dind-" + t.id
	if _, err := b.lab.Engine.NetworkCreate(ctx, name, opts); err != nil {
		return err
	}
	for _, c := range containers {
		var config container.Config
		var host container.HostConfig
		if err := errors.Join(t.like(c.Config, &config), t.like(c.HostConfig, &host)); err != nil {
			return err
		}
		// Bind mounts lead into volumes of the model. The twin's volumes are made with the
		// twin.
		host.Mounts = slices.DeleteFunc(host.Mounts, func(m mount.Mount) bool { return m.Type == mount.TypeBind })
		place := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{name: {}}}
		twins := strings.ReplaceAll(strings.TrimPrefix(c.Name, "/"), t.model, t.id)
		if _, err := b.lab.Engine.ContainerCreate(ctx, &config, &host, place, nil, twins); err != nil {
			return err
		}
	}
	return nil
}

// disperse removes a crowd, whatever has ended ctx.
func (b *bench) disperse(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), manyBound)
	defer cancel()
	list, err := b.containers(ctx)
	if err != nil {
		return err
	}
	volumes, err := b.volumesBySandbox(ctx)
	if err != nil {
		return err
	}
	containers := map[string][]string{}
	for _, c := range list {
		containers[c.Labels[labelSandbox]] = append(containers[c.Labels[labelSandbox]], c.ID)
	}
	errs := make([]error, len(ids))
	var g errgroup.Group
	g.SetLimit(crowdAtOnce)
	for i, id := range ids {
		g.Go(func() error {
			for _, c := range containers[id] {
				errs[i] = errors.Join(errs[i], gone(b.lab.Engine.ContainerRemove(ctx, c, container.RemoveOptions{Force: true, RemoveVolumes: true})))
			}
			errs[i] = errors.Join(errs[i], gone(b.lab.Engine.NetworkRemove(ctx, "dind-"+id)))
			for _, v := range volumes[id] {
				errs[i] = errors.Join(errs[i], gone(b.lab.Engine.VolumeRemove(ctx, v, false)))
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// volumesBySandbox are the names of the volumes of this program's tests, by sandbox.
func (b *bench) volumesBySandbox(ctx context.Context) (map[string][]string, error) {
	f := filters.NewArgs(filters.Arg("label", labelSandbox), filters.Arg("label", lab.InstallationLabel+"="+lab.Installation))
	all, err := b.lab.Engine.VolumeList(ctx, volume.ListOptions{Filters: f})
	found := map[string][]string{}
	for _, v := range all.Volumes {
		found[v.Labels[labelSandbox]] = append(found[v.Labels[labelSandbox]], v.Name)
	}
	return found, err
}
