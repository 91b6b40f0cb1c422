package engine

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"gitlab-dind-executor/wary"
)

const (
	// lastLines is the number of log lines shown for a container that has ended.
	lastLines = 10
	// tailBound bounds the reading of these lines.
	tailBound = 2 * time.Second
)

// LastLog returns the last lines of a container's log, indented, or "".
func (e *Engine) LastLog(ctx context.Context, id string) string {
	text, _ := e.LogTail(context.WithoutCancel(ctx), id, lastLines) // an incomplete answer is shown, too
	if text == "" {
		return ""
	}
	return ":\n  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// LogTail returns the last lines of a container's log, without control sequences for terminals.
// With an error the text has the lines that came.
func (e *Engine) LogTail(ctx context.Context, id string, lines int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tailBound)
	defer cancel()
	log, err := e.Log(ctx, id, LogOptions{Tail: fmt.Sprint(lines)})
	if err != nil {
		return "", err
	}
	defer log.Close()
	var buf bytes.Buffer
	err = log.CopyMost(&buf, 64<<10)
	return strings.TrimRight(wary.Text(buf.String()), "\n"), err
}

// EndedForMemory tells whether a container ended for lack of memory.
func (e *Engine) EndedForMemory(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tailBound)
	defer cancel()
	c, err := e.Container(ctx, id)
	return err == nil && c.OutOfMemory
}
