package diagnosis

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// row is a cause, and the texts that show it. A row states only certain facts. Where a text
// has two explanations, line or hint names both.
type row struct {
	// name is the name of the row's file in testdata/rows.
	name string
	// section is the title of the section in docs/troubleshooting.md: words of the recorded
	// texts.
	section string
	// shows matches the last line of a command, from the line's beginning.
	shows pattern
	// common is like shows, for words that others could write as well. common counts only
	// where the script's last command logs in.
	common pattern
	// stepShows matches the last line of a build's failed step.
	stepShows pattern
	// line and hint are the explanation. {host} stands for a pattern's match under that
	// name, and {host|a registry} has a text for no match.
	line, hint string
}

// rows are all causes. A text shows one row at most.
var rows = slices.Concat(clientRows, daemonRows, loginRows, registryRows, imageRows, containerRows, shellRows)

// fullDisk is a row with a better explanation for a bounded data root.
const fullDisk = "full-disk"

// Patterns for the beginning of a line where docker's tools write an error. Behind them
// comes the error itself, often a chain with colons.
const (
	// clientSays begins an error of docker's client itself, or of a plugin.
	clientSays = `(?:docker: |ERROR: |error: |Error: )?(?:[Ff]ailed to initialize: )?`
	// daemonSays begins the client's line for an error of its daemon.
	daemonSays = clientSays + `(?:failed to create network [^ ]+: )?(?:Error response from daemon: |error from registry: )`
	// buildSays begins an error of BuildKit, by docker build, buildx and compose.
	buildSays = `(?:ERROR: |error: |Error: )?(?:target [\w.-]+: )?(?:failed to build: )?failed to solve(?: with frontend [\w.-]+)?: `
	// podmanSays begins an error of podman's docker about images and registries.
	podmanSays = `Error: (?:creating build container: )?(?:(?:initializing source|unable to copy from source|copying system image|choosing an image|writing blob|trying to reuse blob|checking whether a blob|logging into|authenticating creds|pinging container registry)\b)`
	// toolSays is any of these about images, with the chain up to the pattern behind.
	toolSays = `(?:` + daemonSays + `|` + buildSays + `|` + podmanSays + `).*?`
	// passedOn begins words of a registry or a daemon. docker push, the classic builder and
	// docker-compose 1 pass them on, and docker run does behind its name.
	passedOn = `(?:docker: |ERROR: )?(?:unknown: )?`
	// asked is a request to a registry, at its place in an error. Without a tool's name,
	// the path must be a path of the registries' API.
	asked = `(?:` + toolSays + method + `[^\s"]*|` +
		passedOn + `(?:error pulling image configuration: )?(?:failed to resolve reference "[^"]*": )?(?:failed to authorize: failed to fetch \w+ token: )?(?:failed to do request: )?` +
		method + `(?:v2/(?:[^\s"]+/(?:manifests|blobs)/[^\s"]*)?|jwt/auth[^\s"]*))"?: `
	method = `(?:Get|Head|Post|Put|Patch) "?https?://(?P<host>[A-Za-z0-9.:\[\]-]+)/`
	// answered is a registry's answer with a status, in the words of containerd and
	// BuildKit.
	answered = `(?:` + toolSays + `|` + passedOn + `(?:failed to resolve reference "[^"]*": )?)` +
		`(?:unexpected status(?: code)?(?: from \w+ request to)? https?://(?P<host>[A-Za-z0-9.:\[\]-]+)/[^\s]*: |pulling from host (?P<host>[^\s]+) failed with status code \[[^\]]*\]: |received unexpected HTTP status: )`
	// end is the end of a line: docker run before release 28 puts a full stop there.
	end = `\.?$`
)

// pattern is compiled at first use: most hooks look for no reason.
type pattern func() *regexp.Regexp

func lazily(text string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// anyOf is a pattern for a line that begins with any of the patterns.
func anyOf(patterns ...string) pattern {
	return lazily(`^(?:` + strings.Join(patterns, `|`) + `)`)
}

// explains applies the row to the last words of a command.
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
