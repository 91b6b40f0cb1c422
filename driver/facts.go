package driver

import (
	"context"
	"encoding/json"
	"net/netip"
	"path/filepath"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/group"
)

// Facts finds out about the engine and this host what a plan needs. Sandbox,
// owner and start are the caller's to fill in.
func (d *Driver) Facts(ctx context.Context) (plan.Facts, error) {
	ctx, end := span.Begin(ctx, "facts")
	defer end()
	if err := d.eng.Greet(ctx); err != nil {
		return plan.Facts{}, err
	}
	facts := host.Network(d.root)
	bridge, err := d.eng.Network(ctx, engine.Bridge)
	if err != nil && !engine.Gone(err) {
		return plan.Facts{}, d.eng.Explain("asking the engine", err)
	}
	networks := []engine.Network{bridge}
	var self itself
	g, gctx := group.WithContext(ctx)
	if !d.eng.Local() || !host.HasBridge(d.root, bridge.Bridge) {
		// Else the routes of this host lead to all of them, and the engine need not
		// list those of other sandboxes.
		g.Go(func() (err error) {
			networks, err = d.eng.Networks(gctx)
			return err
		})
	}
	g.Go(func() (err error) {
		self, err = d.tellsOfItself(gctx, bridge)
		return err
	})
	if err := g.Wait(); err != nil {
		return plan.Facts{}, d.eng.Explain("asking the engine", err)
	}
	d.images.Platform.Know(engine.Version{OS: self.OS, Arch: self.Arch})
	facts.Arch, facts.DataRoot, facts.Version = helperArch(self.Arch), self.DataRoot, label.Version
	for _, n := range networks {
		for _, c := range n.Subnets {
			if p, err := netip.ParsePrefix(c.Subnet); err == nil && p.Addr().Is4() {
				facts.Used = append(facts.Used, p.Masked())
			}
		}
		if n.Name == engine.Bridge && n.MTU > 0 {
			facts.MTU = smaller(facts.MTU, n.MTU)
		}
	}
	facts.Used = host.Distinct(facts.Used)
	return facts, nil
}

// itself is what an engine says of itself that a plan has to know. It stays the same
// for as long as the engine runs: to ask costs four processes of the engine's.
type itself struct {
	// Boot is this host's, Bridge the id of the engine's default bridge, and API what
	// is spoken with it. An engine that starts again makes its bridge anew; where
	// containers have outlived it, it keeps the bridge, which its data root holds.
	Boot, Bridge, API string

	OS, Arch, DataRoot string
}

// remembers names what is kept of it.
const remembers = "engine"

// tellsOfItself asks the engine about itself, or knows it of an earlier process. bridge
// is the engine's default network.
func (d *Driver) tellsOfItself(ctx context.Context, bridge engine.Network) (itself, error) {
	now := itself{Boot: owner.Here().Boot, Bridge: bridge.ID, API: d.eng.API()}
	lasts := d.eng.Local() && now.Boot != "" && now.Bridge != ""
	if lasts {
		var before itself
		if json.Unmarshal(d.locks.Recall(remembers), &before) == nil && before.is(now) {
			return before, nil
		}
	}
	g, ctx := group.WithContext(ctx)
	g.Go(func() error {
		v, err := d.eng.Version(ctx)
		now.OS, now.Arch = v.OS, v.Arch
		return err
	})
	told := true
	if d.eng.Local() {
		g.Go(func() error {
			// An engine that does not tell is none whose disk can be looked at.
			info, err := d.eng.Info(ctx)
			now.DataRoot, told = info.DataRoot, err == nil
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return itself{}, err
	}
	if text, err := json.Marshal(now); lasts && told && err == nil {
		d.locks.Remember(remembers, text)
	}
	return now, nil
}

// is tells whether it was said by the engine that runs now, and whole.
func (i itself) is(now itself) bool {
	return i.Boot == now.Boot && i.Bridge == now.Bridge && i.API == now.API &&
		i.OS != "" && i.Arch != "" && filepath.IsAbs(i.DataRoot)
}

// helperArch names an architecture as GitLab's helper images do.
func helperArch(goarch string) string {
	if goarch == "amd64" {
		return "x86_64"
	}
	return goarch
}

func smaller(a, b int) int {
	if a > 0 && a < b {
		return a
	}
	return b
}
