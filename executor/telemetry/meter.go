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

// Meter counts the lines of an operator's log, each once: what it has come to lies
// in a file beside the log, with how far it has read. So nothing is lost when
// the log is put aside or the reader ends, a hook pays for no more than its
// line, and several readers agree. Hooks that counted by themselves would have to
// read, lock and replace that file each time.
type Meter struct {
	Log Log
	// unstored is what the file would hold, where it cannot be stored.
	unstored []byte
}

// position is how far a log has been read: a file, by a hash of its first line,
// and the bytes of it.
type position struct {
	File   string
	Offset int64
}

// longestLine is what a line may have; ours have a hundredth of it.
const longestLine = 1 << 20

// Tally reads what is new in the log. It cannot store what that comes to where
// its user may not write: then it is counted anew when the program starts anew.
// What it returns is the caller's alone.
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
	// Not the directory itself: whoever can read that can hold a lock on it.
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

// maxTally bounds the file: a job without an end has 200 bytes.
const maxTally = 16 << 20

// earlier is the tally of the last time. One that is broken counts anew, which is
// what Prometheus knows how to take.
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

// read counts what is new in the files of a log.
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

// unread are the files with something new: the one that was read last and those
// behind it, or where it has gone those that were never read.
func (t *Tally) unread(files []logFile) []logFile {
	last := slices.IndexFunc(files, func(f logFile) bool { return f.id == t.Read.File })
	return slices.DeleteFunc(slices.Clone(files[max(0, last):]), func(f logFile) bool { return slices.Contains(t.Done, f.id) })
}

// logFile is a file of a log and what tells it from the others.
type logFile struct {
	*os.File
	id string
}

// opened opens the files of a log, the oldest first. It looks for the newest
// first: what is put aside meanwhile is found again under its next name.
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

// firstLine identifies a file by its first line, which has a time and a process
// in it; "" where there is none yet.
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

// readFile counts whole lines, and returns how many bytes they have.
func (t *Tally) readFile(r io.Reader) (int64, error) {
	var n int64
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := wholeLine(lines)
		if errors.Is(err, io.EOF) {
			return n, nil // half a line is another's that is being written
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

// wholeLine reads a line, of which it keeps no more than one of ours can have.
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
