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

// Facts asks the engine and this host for everything that plan.Build needs to know of them.
// The caller fills in the sandbox, the owner and the start.
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
		// Otherwise this host's routes already lead to all networks, and the engine need
		// not list the networks of other sandboxes.
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

// itself holds the engine's answers about itself. They stay the same while the engine runs,
// so they are remembered between hooks: asking costs four processes of the engine's.
type itself struct {
	// Boot is this host's boot id, Bridge the id of the engine's default bridge, and API
	// the API version spoken with the engine. A restarted engine makes a new bridge. If
	// containers have outlived the engine, it keeps the bridge, which its data root holds.
	Boot, Bridge, API string

	OS, Arch, DataRoot string
}

// remembers is the name under which the locks keep the answers.
const remembers = "engine"

// tellsOfItself asks the engine about itself, or returns the answers that an earlier
// process remembered. bridge is the engine's default network.
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
			// Without this answer the engine's disk cannot be looked at.
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

// is tells whether the answers are complete and come from the engine that runs now.
func (i itself) is(now itself) bool {
	return i.Boot == now.Boot && i.Bridge == now.Bridge && i.API == now.API &&
		i.OS != "" && i.Arch != "" && filepath.IsAbs(i.DataRoot)
}

// helperArch returns the name of an architecture in the tags of GitLab's helper images.
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
