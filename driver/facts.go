package driver

import (
	"context"
	"net/netip"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/label"
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
	var networks []engine.Network
	var version engine.Version
	var dataRoot string
	g, gctx := group.WithContext(ctx)
	g.Go(func() (err error) {
		networks, err = d.eng.Networks(gctx)
		return err
	})
	g.Go(func() (err error) {
		version, err = d.eng.Version(gctx)
		return err
	})
	if d.eng.Local() {
		g.Go(func() error {
			// An engine that does not tell is none whose disk can be looked at.
			info, _ := d.eng.Info(gctx)
			dataRoot = info.DataRoot
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return plan.Facts{}, d.eng.Explain("asking the engine", err)
	}
	d.images.Platform.Know(version)
	facts := host.Network("/")
	facts.Arch, facts.DataRoot, facts.Version = helperArch(version.Arch), dataRoot, label.Version
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
