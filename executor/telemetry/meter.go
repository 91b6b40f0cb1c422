package telemetry

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"gitlab-dind-executor/hostfile"
)

// Meter counts each line of an operator's log once. A file beside the log holds the counts
// and the position of the reader. So nothing is lost when the log is put aside or the
// reader ends. A hook pays for no more than its line, and several readers agree. If the
// hooks counted, each would have to read, lock and replace the file.
type Meter struct {
	Log Log
	// unstored is the content for the file where it cannot be stored.
	unstored []byte
}

// position is the reader's place in a log: a file, by a hash of its first line, and an
// offset in bytes.
type position struct {
	File   string
	Offset int64
}

// longestLine bounds a line, in bytes; ours have a hundredth.
const longestLine = 1 << 20

// Tally reads the new lines of the log. Where the user may not write, the counts are not
// stored, and a new process counts anew. The result belongs to the caller.
func (m *Meter) Tally() (*Tally, error) {
	if m.Log.Path == "" {
		return newTally(), nil
	}
	dir, err := hostfile.Open(filepath.Dir(m.Log.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return newTally(), nil // no job has come yet
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	// The lock is not on the directory itself: any user who can read a directory can lock
	// it.
	held, err := dir.Append(filepath.Base(m.Log.Path) + ".lock")
	alone := err == nil
	if alone {
		defer held.Close()
		if !lock(held) {
			return nil, fmt.Errorf("%s: another process holds its lock", held.Name())
		}
	} else if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return nil, err
	}
	t := m.earlier(dir)
	if err := t.read(dir, m.Log); err != nil {
		return nil, err
	}
	if m.unstored, err = json.Marshal(t); err == nil && alone && dir.WriteFor(m.file(), m.unstored, 0o600) == nil { // else its owner counts in memory
		m.unstored = nil
	}
	return t, nil
}

func (m *Meter) file() string { return filepath.Base(m.Log.Path) + ".tally" }

// maxTally bounds the file, in bytes: a job without an end has 200 bytes.
const maxTally = 16 << 20

// earlier returns the stored tally. After damage the counts begin anew, and Prometheus
// knows how to treat such a reset.
func (m *Meter) earlier(dir *hostfile.Dir) *Tally {
	t, b := newTally(), m.unstored
	var err error
	if b == nil {
		b, err = dir.ReadOwn(m.file(), maxTally)
	}
	if err != nil || json.Unmarshal(b, t) != nil || t.Calls == nil || t.Jobs == nil || t.Prepare == nil || t.Ready == nil {
		return newTally()
	}
	return t.complete()
}

// read counts the new lines in the files of a log.
func (t *Tally) read(dir *hostfile.Dir, l Log) error {
	files, err := opened(dir, l)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, f := range t.unread(files) {
		if f.id != t.Read.File {
			t.Read = position{File: f.id}
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		t.Read.Offset = min(t.Read.Offset, info.Size()) // its end may have been taken away
		n, err := t.readFile(io.NewSectionReader(f, t.Read.Offset, 1<<62))
		t.Read.Offset += n
		if err != nil {
			return err
		}
	}
	t.Done = nil
	for _, f := range files {
		if f.id != t.Read.File {
			t.Done = append(t.Done, f.id)
		}
	}
	return nil
}

// unread returns the files with possible new lines: the last file read and the files
// behind. If the last file read is gone, these are the files never read.
func (t *Tally) unread(files []logFile) []logFile {
	last := slices.IndexFunc(files, func(f logFile) bool { return f.id == t.Read.File })
	return slices.DeleteFunc(slices.Clone(files[max(0, last):]), func(f logFile) bool { return slices.Contains(t.Done, f.id) })
}

// logFile is a file of a log with its identity.
type logFile struct {
	*os.File
	id string
}

// opened opens the files of a log, the oldest first. The search begins with the newest
// file, so a file put aside meanwhile is found again under its next name.
func opened(dir *hostfile.Dir, l Log) ([]logFile, error) {
	var files []logFile
	seen := map[string]bool{}
	for i := range l.MaxFiles + 1 {
		name := filepath.Base(l.Path)
		if i > 0 {
			name = aside(name, i)
		}
		f, err := dir.OpenOwn(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			return nil, err
		}
		id, err := firstLine(f)
		if err != nil || id == "" || seen[id] {
			f.Close()
			continue
		}
		seen[id] = true
		files = append([]logFile{{f, id}}, files...)
	}
	return files, nil
}

// firstLine identifies a file by its first line, which has a time and a process; "" without
// a line.
func firstLine(f *os.File) (string, error) {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fs.ErrInvalid)
	}
	head := make([]byte, 4<<10)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line, _, whole := bytes.Cut(head[:n], []byte("\n"))
	if !whole && n < len(head) {
		return "", nil
	}
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:8]), nil
}

// readFile counts whole lines, and returns their length in bytes.
func (t *Tally) readFile(r io.Reader) (int64, error) {
	var n int64
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := wholeLine(lines)
		if errors.Is(err, io.EOF) {
			return n, nil // half a line: another process is writing
		}
		if err != nil {
			return n, err
		}
		n += int64(line.length)
		if !bytes.Contains(line.text, []byte(`"result":`)) {
			if !bytes.Contains(line.text, []byte(`"level":"debug"`)) {
				t.Unreadable++
			}
			continue
		}
		var record Record
		if json.Unmarshal(line.text, &record) != nil {
			t.Unreadable++
			continue
		}
		t.add(record)
	}
}

type line struct {
	text   []byte
	length int
}

// wholeLine reads a line, and keeps no more than the longest of our lines.
func wholeLine(r *bufio.Reader) (line, error) {
	var l line
	for {
		part, err := r.ReadSlice('\n')
		l.length += len(part)
		if l.length <= longestLine {
			l.text = append(l.text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l, err
		}
	}
}
