package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"gitlab-dind-executor/wary"
)

const (
	// hidden stands in the place of a secret.
	hidden = "[hidden]"
	// A text below shortest cannot be told from other text, nor can a line below
	// shortestLine of a secret with several lines. Both are in bytes.
	shortest     = 6
	shortestLine = 8
	// mostLines bounds the number of lines of a secret to search for.
	mostLines = 4096
)

// Redactor hides secrets, also in the forms in which programs print them.
type Redactor struct {
	// needles are all forms of all secrets, by their first bytes: shortest of them.
	needles map[string][]string
}

// New returns a Redactor for these secrets. Secrets below 6 bytes stay visible: other text
// holds them, too.
func New(secrets []string) Redactor {
	r := Redactor{map[string][]string{}}
	seen := map[string]bool{}
	for _, s := range secrets {
		for _, part := range partsOf(s) {
			if seen[part] {
				continue
			}
			seen[part] = true
			for _, form := range formsOf(part) {
				if len(form) >= shortest && (form == part || !seen[form]) {
					seen[form] = true
					r.needles[form[:shortest]] = append(r.needles[form[:shortest]], form)
				}
			}
		}
	}
	return r
}

// partsOf returns the parts of a secret to search for. They are the whole, each line, since
// a log has lines, and the texts within JSON, such as a configuration of docker.
func partsOf(secret string) []string {
	parts := []string{secret, strings.TrimSpace(secret)}
	if strings.ContainsAny(secret, "\r\n") {
		n := 0
		for line := range strings.Lines(strings.ReplaceAll(secret, "\r", "\n")) {
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				parts = append(parts, line)
			}
			if n++; n == mostLines {
				break
			}
		}
	}
	var value any
	if json.Unmarshal([]byte(secret), &value) == nil {
		parts = append(parts, textsIn(value)...)
	}
	return parts
}

// textsIn returns the texts of a JSON value, without its keys. In a docker configuration,
// the value of auth holds the password.
func textsIn(value any) []string {
	var texts []string
	switch v := value.(type) {
	case string:
		if len(v) < shortestLine {
			return nil
		}
		texts = append(texts, v)
		if decoded, err := base64.StdEncoding.DecodeString(v); err == nil {
			if _, password, ok := strings.Cut(string(decoded), ":"); ok {
				texts = append(texts, password)
			}
		}
	case []any:
		for _, e := range v {
			texts = append(texts, textsIn(e)...)
		}
	case map[string]any:
		for _, e := range v {
			texts = append(texts, textsIn(e)...)
		}
	}
	return texts
}

// formsOf returns the forms in which programs print a text. They are the text unchanged,
// without control sequences, in JSON, quoted as in dockerd's log, in a URL, and in base64
// at any offset.
func formsOf(text string) []string {
	if len(text) < shortest {
		return nil
	}
	forms := []string{text, wary.Text(text), inJSON(text, true), inJSON(text, false)}
	quoted := strconv.Quote(text)
	forms = append(forms, quoted[1:len(quoted)-1])
	for _, escaped := range []string{url.QueryEscape(text), url.PathEscape(text)} {
		forms = append(forms, escaped, lowerEscapes(escaped))
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			forms = append(forms, embedded(encoding, text, before))
		}
	}
	return forms
}

// inJSON returns a text as JSON writes it, with or without <, > and & escaped.
func inJSON(text string, html bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	_ = e.Encode(text) // a string can be encoded
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(escaped string) string {
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// embedded returns the part of a text's base64 that does not depend on its neighbours, with
// before bytes in front. user:password is an example.
func embedded(encoding *base64.Encoding, text string, before int) string {
	encoded := encoding.EncodeToString([]byte(strings.Repeat("x", before) + text))
	from, to := (before*8+5)/6, (before+len(text))*8/6
	if to-from < shortestLine {
		return ""
	}
	return encoded[from:to]
}

// redact hides every secret in a text. Two secrets that overlap both go as a whole.
func (r Redactor) redact(text string) string {
	var out strings.Builder
	until := 0
	for i := range len(text) {
		if i+shortest <= len(text) {
			before := until
			for _, n := range r.needles[text[i:i+shortest]] {
				if strings.HasPrefix(text[i:], n) {
					until = max(until, i+len(n))
				}
			}
			if until > before && i >= before {
				out.WriteString(hidden)
			}
		}
		if i >= until {
			out.WriteByte(text[i])
		}
	}
	return out.String()
}

// Others redacts the output of others, and takes out control sequences: they may stand in
// the middle of a secret.
func (r Redactor) Others(text string) string { return r.redact(wary.Text(r.redact(text))) }
