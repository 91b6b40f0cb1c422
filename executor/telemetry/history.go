package telemetry

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"time"

	"gitlab-dind-executor/hostfile"
)

// mostHistory bounds the calls of a job. An ordinary job has a dozen, and each of three
// attempts as many.
const mostHistory = 200

// History returns the calls of a job and the calls behind the job, in the order of their
// starts. job is the job's id or whole key. A missing log has no calls.
func (l Log) History(job string) ([]Record, error) {
	if l.Path == "" {
		return nil, nil
	}
	dir, err := hostfile.Open(filepath.Dir(l.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	files, err := opened(dir, l)
	if err != nil {
		return nil, err
	}
	var list []Record
	for _, f := range files {
		defer f.Close()
		if err := recordsOf(job, io.NewSectionReader(f, 0, 1<<62), &list); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(list, func(a, b Record) int { return a.Began().Compare(b.Began()) })
	return list, nil
}

// recordsOf adds the calls of a job in a file. Of too many the last stay.
func recordsOf(job string, file io.Reader, list *[]Record) error {
	lines := bufio.NewReaderSize(file, 64<<10)
	needle := []byte("/" + path.Base(job) + `"`) // most lines are of other jobs
	for {
		line, err := wholeLine(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var r Record
		if !bytes.Contains(line.text, needle) || !bytes.Contains(line.text, []byte(`"result":`)) || json.Unmarshal(line.text, &r) != nil || !r.concerns(job) {
			continue
		}
		if *list = append(*list, r); len(*list) > mostHistory {
			*list = slices.Delete(*list, 0, 1)
		}
	}
}

// concerns tells whether a call is a job's, or went on behind it.
func (r Record) concerns(job string) bool {
	for _, key := range []string{r.Job, r.Behind} {
		if key != "" && (key == job || path.Base(key) == job) {
			return true
		}
	}
	return false
}

// Of returns the key of the call's job, or of the job behind which the call went on.
func (r Record) Of() string {
	if r.Job != "" {
		return r.Job
	}
	return r.Behind
}

// Began returns the start of the call.
func (r Record) Began() time.Time {
	return r.Time.Add(-time.Duration(max(0, r.Seconds) * float64(time.Second)))
}
