package telemetry

import (
	"bytes"
	"errors"
	"path/filepath"
	"time"

	"go.uber.org/zap/zapcore"

	"gitlab-dind-executor/hostfile"
)

// Log is the operator's log. Its zero value has no file.
type Log struct {
	// Path is the log's file; "" for none.
	Path string
	// Debug writes the spans of a call as well.
	Debug bool
	// MaxSize, in bytes, is the size at which the file is put aside; 0 means never.
	// MaxFiles is the number of files put aside to keep.
	MaxSize  int64
	MaxFiles int
	// Journal is the socket of systemd's journal, which also gets each line; "" for none.
	Journal string
}

// Write appends a record, with the spans of its call before. The lines of a call stay
// together, also beside other writers.
func (l Log) Write(r Record, spans []Finished) error {
	if l.Path == "" && l.Journal == "" {
		return nil
	}
	var out bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", MessageKey: "msg",
		EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeTime: utc, SkipLineEnding: false,
	}), zapcore.AddSync(&out), zapcore.DebugLevel)
	if l.Debug {
		for _, s := range spans {
			entry := zapcore.Entry{Level: zapcore.DebugLevel, Time: s.Begin, Message: Clip(Scrub(s.Name))}
			if err := core.Write(entry, []zapcore.Field{{Type: zapcore.InlineMarshalerType, Interface: span{r, s}}}); err != nil {
				return err
			}
		}
	}
	entry := zapcore.Entry{Level: r.level(), Time: r.Time, Message: r.message()}
	if err := core.Write(entry, []zapcore.Field{{Type: zapcore.InlineMarshalerType, Interface: r}}); err != nil {
		return err
	}
	var errs []error
	if l.Path != "" {
		errs = append(errs, l.append(out.Bytes()))
	}
	if l.Journal != "" {
		errs = append(errs, toJournal(l.Journal, out.Bytes(), r.level()))
	}
	return errors.Join(errs...)
}

// append writes lines to the log's file, and makes a missing directory.
func (l Log) append(lines []byte) error {
	dir, err := hostfile.OpenOrMake(filepath.Dir(l.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return appender{dir: dir, name: filepath.Base(l.Path), maxSize: l.MaxSize, maxFiles: l.MaxFiles}.append(lines)
}

// message is the text that a person reads first.
func (r Record) message() string {
	m := r.Hook + r.Command
	if r.Stage != "" {
		m += " " + Clip(r.Stage)
	}
	return m
}

// span is the line of a span, with the fields that identify its call.
type span struct {
	of Record
	Finished
}

// MarshalLogObject gives a span's fields to zap.
func (s span) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("span", s.of.message())
	if s.of.Job != "" {
		e.AddString("job", Clip(s.of.Job))
	}
	if about, ok := s.Args["about"].(string); ok {
		e.AddString("about", Clip(Scrub(about)))
	}
	e.AddFloat64("seconds", milli(s.End.Sub(s.Begin).Seconds()))
	e.AddInt("pid", s.of.PID)
	return nil
}

func utc(t time.Time, e zapcore.PrimitiveArrayEncoder) {
	e.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}
