package local

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

// mask stands in the log in the place of a secret.
const mask = "[MASKED]"

// tokenPrefixes begin GitLab's tokens. The characters behind a prefix are masked as well.
var tokenPrefixes = []string{
	"glpat-", "gloas-", "gldt-", "glrt-", "glcbt-", "glrtr-", "glptt-", "glft-",
	"glimt-", "glagent-", "glsoat-", "glffct-", "_gitlab_session=", "gltok-",
}

// secret is text to mask, or with token set a prefix of such text.
type secret struct {
	text  []byte
	token bool
}

// secrets returns the texts to mask, the longest first. Empty values mask nothing.
func secrets(values, prefixes []string) []secret {
	var out []secret
	add := func(list []string, token bool) {
		for _, s := range list {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, secret{text: []byte(s), token: token})
			}
		}
	}
	add(values, false)
	add(prefixes, true)
	slices.SortStableFunc(out, func(a, b secret) int { return len(b.text) - len(a.text) })
	return out
}

// masker is a writer that replaces secrets, also secrets in several writes. The possible
// beginning of a secret waits for more text or for flush. masker is not safe for concurrent
// use.
type masker struct {
	next    io.Writer
	secrets []secret
	held    []byte
	// inToken is after a token's prefix; inTokenBody after its first character.
	inToken, inTokenBody bool
}

// Write masks p and passes p on. Write reports all of p as written.
func (m *masker) Write(p []byte) (int, error) {
	m.held = append(m.held, p...)
	if err := m.drain(false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush passes waiting text on.
func (m *masker) flush() error { return m.drain(true) }

func (m *masker) drain(final bool) error {
	out := make([]byte, 0, len(m.held))
	i := 0
	for i < len(m.held) {
		rest := m.held[i:]
		if m.inToken {
			if isTokenByte(rest[0]) {
				m.inTokenBody = true
				i++
				continue
			}
			out = m.endToken(out)
		}
		s, waiting := m.match(rest)
		if waiting && !final {
			break
		}
		switch {
		case s == nil:
			out = append(out, rest[0])
			i++
		case s.token:
			out = append(out, s.text...)
			m.inToken = true
			i += len(s.text)
		default:
			out = append(out, mask...)
			i += len(s.text)
		}
	}
	m.held = append(m.held[:0], m.held[i:]...)
	if final {
		out = m.endToken(out)
	}
	if len(out) == 0 {
		return nil
	}
	_, err := m.next.Write(out)
	return err
}

func (m *masker) endToken(out []byte) []byte {
	if m.inTokenBody {
		out = append(out, mask...)
	}
	m.inToken, m.inTokenBody = false, false
	return out
}

// match finds the longest secret at the beginning of p. waiting is true where p ends within
// a longer secret.
func (m *masker) match(p []byte) (found *secret, waiting bool) {
	for i := range m.secrets {
		s := &m.secrets[i]
		switch {
		case s.text[0] != p[0]:
		case bytes.HasPrefix(p, s.text):
			return s, waiting
		case len(p) < len(s.text) && bytes.HasPrefix(s.text, p):
			waiting = true
		}
	}
	return nil, waiting
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '='
}
