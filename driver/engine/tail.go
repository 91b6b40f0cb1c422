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
	// lastLines is how much of a log is shown where its container has ended.
	lastLines = 10
	// tailBound is what reading them may take.
	tailBound = 2 * time.Second
)

// LastLog returns the last lines of a container's log, indented, or "".
func (e *Engine) LastLog(ctx context.Context, id string) string {
	text := e.LogTail(context.WithoutCancel(ctx), id, lastLines)
	if text == "" {
		return ""
	}
	return ":\n  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// LogTail returns so many last lines of a container's log, without what a terminal
// would obey; "" when they cannot be had.
func (e *Engine) LogTail(ctx context.Context, id string, lines int) string {
	ctx, cancel := context.WithTimeout(ctx, tailBound)
	defer cancel()
	log, err := e.Log(ctx, id, LogOptions{Tail: fmt.Sprint(lines)})
	if err != nil {
		return ""
	}
	defer log.Close()
	var buf bytes.Buffer
	_ = log.CopyMost(&buf, 64<<10) // what came is shown
	return strings.TrimRight(wary.Text(buf.String()), "\n")
}

// EndedForMemory tells whether a container ended for lack of memory.
func (e *Engine) EndedForMemory(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tailBound)
	defer cancel()
	c, err := e.Container(ctx, id)
	return err == nil && c.OutOfMemory
}
