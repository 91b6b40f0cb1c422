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
	// hidden stands for what must not be shown.
	hidden = "[hidden]"
	// shortest is below what is too short to be told from other text, shortestLine
	// for a line of a secret that has several. Both are in bytes.
	shortest     = 6
	shortestLine = 8
	// mostLines bounds how many lines of one secret are looked for.
	mostLines = 4096
)

// Redactor hides secrets, also in the forms in which programs print them.
type Redactor struct {
	// needles are all forms of all secrets, by their first bytes, shortest of them.
	needles map[string][]string
}

// New is for these secrets. Those below 6 bytes stay: other text holds them, too.
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

// partsOf are a secret as a whole, each of its lines, since a log has lines, and
// the texts within it where it is JSON, as a configuration of docker is.
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

// textsIn are the texts of a JSON value, without its keys. The password is one in
// what a docker configuration calls auth.
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

// formsOf are a text as it is, without what a terminal would obey, in JSON, quoted
// as in dockerd's log, in a URL, and in base64 wherever it may stand there.
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

// inJSON is a text as it stands in JSON, with or without <, > and & escaped.
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

// embedded is what of a text's encoding does not depend on what stands around it,
// with so many bytes before it: user:password, for one.
func embedded(encoding *base64.Encoding, text string, before int) string {
	encoded := encoding.EncodeToString([]byte(strings.Repeat("x", before) + text))
	from, to := (before*8+5)/6, (before+len(text))*8/6
	if to-from < shortestLine {
		return ""
	}
	return encoded[from:to]
}

// redact hides every secret in a text. Where two overlap, both go as a whole.
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

// Others redacts what others say, and takes out of it what a terminal would obey:
// that may stand in the middle of a secret.
func (r Redactor) Others(text string) string { return r.redact(wary.Text(r.redact(text))) }
