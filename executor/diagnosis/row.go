package diagnosis

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// row is one cause, and how it shows. A row says what is sure. Where its text has
// two explanations, line or hint names both.
type row struct {
	// name is that of its file in testdata/rows.
	name string
	// section is what docs/troubleshooting.md names its section by: words of the
	// texts that it is recorded with.
	section string
	// shows matches the line that a command ended with, from its beginning.
	shows pattern
	// common does so, too, for words that others could write as well. It counts only
	// where the script's last command logs in.
	common pattern
	// stepShows matches the last line of a build's step that failed.
	stepShows pattern
	// line and hint are said. {host} there stands for what a pattern has found under
	// that name, and {host|a registry} has a text for the case that it found none.
	line, hint string
}

// rows are all causes. One text shows one of them.
var rows = slices.Concat(clientRows, daemonRows, loginRows, registryRows, imageRows, containerRows, shellRows)

// fullDisk is the row that a bounded data root explains better.
const fullDisk = "full-disk"

// Where docker's tools write an error: patterns for the beginning of a line. What
// follows is the error itself, often a chain with colons.
const (
	// clientSays is docker's client, or a plugin, about an error of its own.
	clientSays = `(?:docker: |ERROR: |error: |Error: )?(?:[Ff]ailed to initialize: )?`
	// daemonSays is the client's line for an error of its daemon.
	daemonSays = clientSays + `(?:failed to create network [^ ]+: )?(?:Error response from daemon: |error from registry: )`
	// buildSays is BuildKit's, by docker build, buildx and compose.
	buildSays = `(?:ERROR: |error: |Error: )?(?:target [\w.-]+: )?(?:failed to build: )?failed to solve(?: with frontend [\w.-]+)?: `
	// podmanSays is what podman's docker says of images and registries.
	podmanSays = `Error: (?:creating build container: )?(?:(?:initializing source|unable to copy from source|copying system image|choosing an image|writing blob|trying to reuse blob|checking whether a blob|logging into|authenticating creds|pinging container registry)\b)`
	// toolSays is any of these about images, with the chain up to what is looked for.
	toolSays = `(?:` + daemonSays + `|` + buildSays + `|` + podmanSays + `).*?`
	// passedOn is what docker push, the classic builder and docker-compose 1 pass on
	// of a registry's or a daemon's words, and docker run behind its name.
	passedOn = `(?:docker: |ERROR: )?(?:unknown: )?`
	// asked is what was asked of a registry, at the place where that stands. Where
	// no tool is named, the path must be one of the registries' API.
	asked = `(?:` + toolSays + method + `[^\s"]*|` +
		passedOn + `(?:error pulling image configuration: )?(?:failed to resolve reference "[^"]*": )?(?:failed to authorize: failed to fetch \w+ token: )?(?:failed to do request: )?` +
		method + `(?:v2/(?:[^\s"]+/(?:manifests|blobs)/[^\s"]*)?|jwt/auth[^\s"]*))"?: `
	method = `(?:Get|Head|Post|Put|Patch) "?https?://(?P<host>[A-Za-z0-9.:\[\]-]+)/`
	// answered is a registry's answer with a status, by containerd and BuildKit.
	answered = `(?:` + toolSays + `|` + passedOn + `(?:failed to resolve reference "[^"]*": )?)` +
		`(?:unexpected status(?: code)?(?: from \w+ request to)? https?://(?P<host>[A-Za-z0-9.:\[\]-]+)/[^\s]*: |pulling from host (?P<host>[^\s]+) failed with status code \[[^\]]*\]: |received unexpected HTTP status: )`
	// end is where docker run before release 28 puts a full stop.
	end = `\.?$`
)

// pattern is compiled when it is used: most hooks look for no reason.
type pattern func() *regexp.Regexp

func lazily(text string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// anyOf is a pattern for a line that one of these matches from its beginning.
func anyOf(patterns ...string) pattern {
	return lazily(`^(?:` + strings.Join(patterns, `|`) + `)`)
}

// explains applies the row to the last that a command said.
func (r row) explains(said output) (Diagnosis, bool) {
	if said.ofStep {
		return r.matches(r.stepShows, said.step)
	}
	if d, ok := r.matches(r.shows, said.last); ok || !said.logsIn {
		return d, ok
	}
	return r.matches(r.common, said.last)
}

var logsIn = anyOf(`(?:.*[^\w-])?(?:docker|podman) login\b`)

func (r row) matches(p pattern, text string) (Diagnosis, bool) {
	if p == nil || text == "" {
		return Diagnosis{}, false
	}
	m := p().FindStringSubmatch(text)
	if m == nil {
		return Diagnosis{}, false
	}
	found := map[string]string{}
	for i, name := range p().SubexpNames() {
		if m[i] != "" {
			found[name] = m[i]
		}
	}
	return Diagnosis{fill(r.line, found), fill(r.hint, found)}, true
}

var blank = lazily(`\{(\w+)(?:\|([^}]*))?\}`)

func fill(text string, found map[string]string) string {
	return blank().ReplaceAllStringFunc(text, func(b string) string {
		m := blank().FindStringSubmatch(b)
		if value, ok := found[m[1]]; ok {
			return value
		}
		return m[2]
	})
}
