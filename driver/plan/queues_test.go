package plan

import "testing"

// A script may rely on the port only if nothing but dockerd opens it, and soon before
// dockerd answers.
func TestWhichDaemonsQueueBeforeTheyAnswer(t *testing.T) {
	official := DindImage{Docker: ParseVersion("28.5.2"), Entrypoint: []string{"dockerd-entrypoint.sh"}}
	for name, c := range map[string]struct {
		change func(*Sidecar, *DindImage)
		want   bool
	}{
		"the official image":          {func(*Sidecar, *DindImage) {}, true},
		"with layers of its own":      {func(s *Sidecar, _ *DindImage) { s.Layers = true }, true},
		"20.10":                       {func(_ *Sidecar, i *DindImage) { i.Docker = ParseVersion("20.10.24") }, true},
		"an older one":                {func(_ *Sidecar, i *DindImage) { i.Docker = ParseVersion("19.03.15") }, false},
		"one that does not tell":      {func(_ *Sidecar, i *DindImage) { i.Docker = Version{} }, false},
		"another entrypoint":          {func(_ *Sidecar, i *DindImage) { i.Entrypoint = []string{"/run.sh"} }, false},
		"another user":                {func(_ *Sidecar, i *DindImage) { i.User = "rootless" }, false},
		"a command of the pipeline":   {func(s *Sidecar, _ *DindImage) { s.Given.Command = []string{"--debug"} }, false},
		"containerd by dockerd":       {func(s *Sidecar, _ *DindImage) { s.FastBoot = false }, false},
		"rootless":                    {func(s *Sidecar, _ *DindImage) { s.User = "1000:1000" }, false},
		"another runtime":             {func(s *Sidecar, _ *DindImage) { s.Rights.Runtime = "sysbox-runc" }, false},
		"a kernel of its own":         {func(s *Sidecar, _ *DindImage) { s.Relay = true }, false},
		"images from the beginning":   {func(s *Sidecar, _ *DindImage) { s.SeedImages = []string{"alpine"} }, false},
		"a service of the pipeline's": {func(s *Sidecar, _ *DindImage) { s.Given.Image = true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			settings, job, facts := example()
			p, err := Build(settings, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			s, image := p.Sidecar, official
			s.FastBoot, s.Layers, s.SeedImages, s.Given = true, false, nil, Given{}
			c.change(&s, &image)
			fit, _, err := s.Fit(image, EngineHost{})
			if err != nil {
				t.Fatal(err)
			}
			if fit.Queues != c.want {
				t.Errorf("it queues: %t", fit.Queues)
			}
		})
	}
}
