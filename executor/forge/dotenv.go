package forge

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf16"

	"gitlab-dind-executor/pattern"
)

const (
	// maxDotenv bounds a packed upload of variables, in bytes, as GitLab does.
	maxDotenv = 5 << 10
	// maxUnpacked bounds an unpacked upload of variables, in bytes.
	maxUnpacked = 1 << 20
	// maxPairs is the largest number of variables that GitLab takes, in its dearest plan.
	maxPairs = 150
	// maxKey bounds a variable's name, in bytes.
	maxKey = 255
)

// Pair is a variable reported by a job.
type Pair struct{ Key, Value string }

// Dotenv returns the variables reported by a job, by its id.
func (s *Server) Dotenv(job int64) []Pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dotenv[job])
}

// Refused says why a job's report of variables was refused, or returns "".
func (s *Server) Refused(job int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[job]
}

// receiveDotenv keeps the variables of a report, or the reason of its refusal.
func (s *Server) receiveDotenv(from io.Reader, job int64) error {
	pairs, err := readDotenv(from)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.refused[job] = err.Error()
		return err
	}
	s.dotenv[job] = pairs
	return nil
}

// readDotenv unpacks a report.
func readDotenv(from io.Reader) ([]Pair, error) {
	packed, err := io.ReadAll(io.LimitReader(from, maxDotenv))
	if err != nil {
		return nil, err
	}
	if len(packed) == maxDotenv {
		return nil, fmt.Errorf("the dotenv report is too big: GitLab takes less than %d bytes", maxDotenv)
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errFormat
	}
	text, err := io.ReadAll(io.LimitReader(zip, maxUnpacked+1))
	if err != nil || len(text) > maxUnpacked {
		return nil, errFormat
	}
	return parseDotenv(text)
}

// errFormat refuses a report that GitLab cannot read.
var errFormat = errors.New("the dotenv report has a line that is not KEY=value: no comments, no empty lines")

var reportedName = pattern.New(`^[a-zA-Z0-9_]+$`)

// parseDotenv reads lines of KEY=value as GitLab does: no quotes, no comments, no empty
// lines. Of several lines with the same name, the last counts.
func parseDotenv(text []byte) ([]Pair, error) {
	lines := strings.SplitAfter(strings.TrimPrefix(utf8Of(text), "\ufeff"), "\n")
	places := map[string]int{}
	var pairs []Pair
	for _, line := range lines {
		if line == "" {
			continue // the end
		}
		key, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !found {
			return nil, errFormat
		}
		key, value = strings.Trim(key, space), strings.Trim(value, space)
		if !reportedName.MatchString(key) || len(key) > maxKey {
			return nil, errors.New("the dotenv report has a name that is not of letters, digits and _")
		}
		if at, there := places[key]; there {
			pairs[at].Value = value
			continue
		}
		places[key] = len(pairs)
		pairs = append(pairs, Pair{key, value})
	}
	if len(pairs) > maxPairs {
		return nil, fmt.Errorf("the dotenv report has more than %d variables", maxPairs)
	}
	return pairs, nil
}

// space is the set of characters cut off around names and values.
const space = " \t\r\n\v\f\x00"

// utf8Of turns UTF-16, known by its first bytes, into UTF-8. Bytes without meaning are
// replaced.
func utf8Of(text []byte) string {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	default:
		return strings.ToValidUTF8(string(text), "\ufffd")
	}
	units := make([]uint16, 0, len(text)/2)
	for i := 2; i+1 < len(text); i += 2 {
		units = append(units, order.Uint16(text[i:]))
	}
	return string(utf16.Decode(units))
}
