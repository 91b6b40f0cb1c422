package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap/zapcore"
)

// JournalSocket is the socket of systemd's journal for entries.
const JournalSocket = "/run/systemd/journal/socket"

// journalBound bounds a hook's wait for the journal.
const journalBound = 200 * time.Millisecond

// toJournal sends each line to the journal as the message of an entry. The last line is the
// call's, the lines before are spans.
func toJournal(socket string, lines []byte, level zapcore.Level) error {
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return fmt.Errorf("the journal: %w", err)
	}
	defer conn.Close()
	errs := []error{conn.SetDeadline(time.Now().Add(journalBound))}
	all := bytes.Split(bytes.TrimSuffix(lines, []byte("\n")), []byte("\n"))
	for i, line := range all {
		priority := 7
		if i == len(all)-1 {
			priority = priorityOf(level)
		}
		_, err := conn.Write(fmt.Appendf(nil, "PRIORITY=%d\nSYSLOG_IDENTIFIER=gitlab-dind-executor\nMESSAGE=%s\n", priority, line))
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the journal: %w", err)
	}
	return nil
}

// priorityOf returns syslog's number for a level.
func priorityOf(level zapcore.Level) int {
	switch level {
	case zapcore.ErrorLevel:
		return 3
	case zapcore.WarnLevel:
		return 4
	}
	return 6
}
