package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"gitlab-dind-executor/hostfile"
)

// event is an entry of a timeline; times are in microseconds.
type event struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	Time  int64          `json:"ts"`
	Took  int64          `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	Lane  int            `json:"tid"`
	Args  map[string]any `json:"args,omitempty"`
}

// AppendTimeline appends the spans of a call to a file in Chrome's trace-event format,
// which Perfetto opens. The format is an array whose end may be missing, so several hooks
// can append to the same file.
func AppendTimeline(file string, spans []Finished) (err error) {
	var out bytes.Buffer
	add := func(e event) {
		b, jsonErr := json.Marshal(e)
		if jsonErr != nil {
			err = jsonErr
		}
		out.WriteString(",\n")
		out.Write(b)
	}
	if len(spans) == 0 {
		return nil
	}
	pid := os.Getpid()
	add(event{Name: "process_name", Phase: "M", PID: pid, Args: map[string]any{"name": spans[0].Name}})
	for _, s := range spans {
		add(event{
			Name: s.Name, Phase: "X", Time: s.Begin.UnixMicro(), Took: max(1, s.End.Sub(s.Begin).Microseconds()),
			PID: pid, Lane: s.Lane, Args: s.Args,
		})
	}
	if err != nil {
		return err
	}
	return appendTo(file, out.Bytes())
}

// appendTo puts ",\n…" behind a JSON array without an end, or begins an array. Only the
// holder of the lock begins an array, since other hooks may try at the same time. Neither a
// stopped hook nor a pipe holds another hook up.
func appendTo(name string, events []byte) error {
	dir, err := hostfile.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.Append(filepath.Base(name))
	if err != nil {
		return err
	}
	defer f.Close()
	locked := lock(f)
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.Size() == 0 && !locked:
		return fmt.Errorf("%s: another process holds its lock", name)
	case info.Size() == 0:
		events[0] = '['
	}
	_, err = f.Write(events)
	return err
}
