package main

import (
	"context"
	"fmt"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// kept are the measured privileges of a sidecar, with the letter of their rows and their image.
var kept = []struct{ privilege, letter, image string }{
	{config.PrivilegePrivileged, "P", rig.ImageDind},
	{config.PrivilegeReduced, "R", rig.ImageDind},
	{config.PrivilegeRootless, "U", rig.ImageRootless},
	{config.PrivilegeGVisor, "G", rig.ImageDind},
}

// privileges measures the same cold job under each privilege, to its first line and as a whole.
// It lists a privilege as missing if the engine lacks the runtime.
func (b *bench) privileges(ctx context.Context) (table, error) {
	t := table{key: "privileges", title: "A cold job that builds, runs and pushes, under each privilege", rounds: max(1, b.rounds*2/5), warm: true}
	info, err := b.lab.Engine.Info(ctx)
	if err != nil {
		return t, err
	}
	for _, k := range kept {
		runtime := config.RuntimeOf(k.privilege, "")
		if _, has := info.Runtimes[runtime]; runtime != "" && !has {
			t.missing = append(t.missing, fmt.Sprintf("%s, since the engine has no runtime %s", k.privilege, runtime))
			continue
		}
		settings, err := b.lab.WriteSettings("privilege-"+k.privilege+".toml",
			fmt.Sprintf("[[policy]]\nsidecar.privilege = %q\nsidecar.image = %q\n", k.privilege, k.image))
		if err != nil {
			return t, err
		}
		first, whole, w := "F"+k.letter, "J"+k.letter, b.ours(settings)
		t.trials = append(t.trials, trial{
			figures: []figure{{first, k.privilege + ", to the first line", "ms"}, {whole, k.privilege + ", the whole job", "ms"}},
			measure: func(ctx context.Context, n note) error { return b.everyday(ctx, w, first, whole, n) },
		})
	}
	return t, nil
}

// everyday runs a job without a dind service. Its daemon is then the settings'.
func (b *bench) everyday(ctx context.Context, w way, first, whole string, n note) error {
	p := b.job(
		`docker version >/dev/null`, `echo '`+firstLine+`'`,
		lab.Login,
		`docker build -t $CI_REGISTRY_IMAGE:bench .`,
		`docker run --rm $CI_REGISTRY_IMAGE:bench`,
		`docker push $CI_REGISTRY_IMAGE:bench`,
	)
	p.Services = nil
	o, err := w.run(ctx, p, 0)
	if err != nil {
		return err
	}
	line, err := o.line()
	if err != nil {
		return err
	}
	n(first, ms(line))
	n(whole, ms(o.whole()))
	return nil
}

// notMeasured is a sentence about the missing rows of a table, "" for none.
func notMeasured(missing []string) string {
	if len(missing) == 0 {
		return ""
	}
	return "Not measured: " + strings.Join(missing, "; ") + "."
}
