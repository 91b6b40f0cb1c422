package executor

import (
	"errors"
	"fmt"
	"strings"

	"gitlab-dind-executor/executor/runnerconfig"
	"gitlab-dind-executor/wary"
)

// convert reads the docker executor's section for --from.
func (r *registration) convert() (*runnerconfig.Conversion, error) {
	if r.c.settingsFile != "" {
		return nil, errors.New("--settings is of no use with --from, which makes settings: --write-settings says where to")
	}
	src, err := runnerconfig.Source(r.from)
	if err != nil {
		return nil, err
	}
	return runnerconfig.Convert(r.from, src, r.runner)
}

// leftOut says where to find the values missing in printed settings, or returns "".
func leftOut(old *runnerconfig.Conversion) string {
	if old.Shown == old.Settings {
		return ""
	}
	return "# Values of variables and secrets are left out here; --write-settings FILE takes them over.\n"
}

// settingsOf returns the text of a settings file made by a conversion.
func settingsOf(old *runnerconfig.Conversion, from, settings string) string {
	if settings == "" {
		return "# Nothing: the defaults serve.\n"
	}
	return fmt.Sprintf("# Made from runner %q of %s.\n%s", old.Name, from, settings)
}

// tell says what became of each key. Keys with the same note share a line.
func (r *registration) tell(name string, notes []runnerconfig.Note, prefix string) {
	fmt.Fprintf(r.c.stdout, "%s\n%sWhat became of runner %q:\n", strings.TrimSpace(prefix), prefix, name)
	for _, kind := range runnerconfig.Kinds {
		var texts []string
		keys := map[string][]string{}
		for _, note := range notes {
			if note.Kind != kind {
				continue
			}
			if keys[note.Text] == nil {
				texts = append(texts, note.Text)
			}
			keys[note.Text] = append(keys[note.Text], note.Key)
		}
		for _, text := range texts {
			fmt.Fprintf(r.c.stdout, "%s  %-8s %s: %s\n", prefix, kind, wary.Line(strings.Join(keys[text], ", ")), wary.Line(text))
		}
	}
}
