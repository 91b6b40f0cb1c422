package diagnosis

import (
	"regexp"
	"slices"
	"strings"
)

// row is one cause, and how it shows. A row says what is sure. Where its text has
// two explanations, line or hint names both.
type row struct {
	// name is that of its file in testdata/rows.
	name string
	// shows matches a line from its beginning, and stepShows the last line of a
	// failed step of a build.
	shows, stepShows *regexp.Regexp
	// section is what docs/troubleshooting.md names its section by: words of the
	// texts that it is recorded with.
	section string
	// line and hint are said. {host} there stands for what shows has found under
	// that name, and {host|a registry} has a text for the case that it found none.
	line, hint string
}

// rows are all causes. One text shows one of them.
var rows = slices.Concat(daemonRows, registryRows, imageRows, containerRows, shellRows)

// fullDisk is the row that a bounded data root explains better.
const fullDisk = "full-disk"

// Where docker's tools write an error: patterns for the beginning of a line. What
// follows is the error itself, often a chain with colons.
const (
	// clientSays is docker's client, or a plugin, about an error of its own.
	clientSays = `(?:docker: |ERROR: |error: |Error: )?(?:[Ff]ailed to initialize: )?`
	// daemonSays is the client's line for an error of its daemon.
	daemonSays = clientSays + `(?:Error response from daemon: |error from registry: )`
	// buildSays is BuildKit's, by docker build, buildx and compose.
	buildSays = `(?:ERROR: |error: |Error: )?(?:target [\w.-]+: )?(?:failed to build: )?failed to solve(?: with frontend [\w.-]+)?: `
	// podmanSays is what podman's docker says of images and registries.
	podmanSays = `Error: (?:initializing source|unable to copy from source|copying system image|creating build container|parsing image configuration|writing blob|trying to reuse blob|checking whether a blob|logging into|authenticating creds|pinging container registry|reading manifest|choosing an image|choosing image instance)\b`
	// toolSays is any of these about images, with the chain up to what is looked for.
	toolSays = `(?:` + daemonSays + `|` + buildSays + `|` + podmanSays + `).*?`
	// passedOn is what docker push, the classic builder and docker-compose 1 pass on
	// of a registry's or a daemon's words, and docker run behind its name.
	passedOn = `(?:docker: |ERROR: )?`
	// asked is what was asked of a registry, at the place where that stands.
	asked = `(?:` + toolSays + `|` + passedOn + `(?:error pulling image configuration: |failed to do request: |failed to copy: |failed to fetch (?:anonymous|oauth) token: )?)` + url
	url   = `(?:Get|Head|Post|Put|Patch) "?https?://(?P<host>[A-Za-z0-9.:\[\]-]+)/[^\s"]*"?: `
)

// anyOf is a pattern for a line that one of these matches from its beginning.
func anyOf(patterns ...string) *regexp.Regexp {
	return regexp.MustCompile(`^(?:` + strings.Join(patterns, `|`) + `)`)
}

// explains applies the row to the last that a command said.
func (r row) explains(said output) (Diagnosis, bool) {
	shows, text := r.shows, said.last
	if stepFailed.MatchString(said.last) {
		shows, text = r.stepShows, said.step
	}
	if shows == nil || text == "" {
		return Diagnosis{}, false
	}
	m := shows.FindStringSubmatch(text)
	if m == nil {
		return Diagnosis{}, false
	}
	found := map[string]string{}
	for i, name := range shows.SubexpNames() {
		if m[i] != "" {
			found[name] = m[i]
		}
	}
	return Diagnosis{fill(r.line, found), fill(r.hint, found)}, true
}

var place = regexp.MustCompile(`\{(\w+)(?:\|([^}]*))?\}`)

func fill(text string, found map[string]string) string {
	return place.ReplaceAllStringFunc(text, func(p string) string {
		m := place.FindStringSubmatch(p)
		if value, ok := found[m[1]]; ok {
			return value
		}
		return m[2]
	})
}
