package stream

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ErrNotServed is returned when the helper takes no scripts on its stdin, or could not take this
// script. The script has not begun.
var ErrNotServed = errors.New("the helper takes no script")

// Turn is a script's part of the helper's output. The part lies between the line with the token
// and the token with the exit code. A Turn is for a single writing goroutine.
type Turn struct {
	out io.Writer
	// Token stands before and behind the script's output.
	Token string
	// held is text that may still become the token, or the line after the token.
	held []byte
	// Begun is closed when the helper turns to the script, Over when the script has ended. Then
	// Code and Err may be read.
	Begun, Over chan struct{}
	running     bool
	Code        int
	Err         error
}

// NewTurn is a turn whose script prints to out.
func NewTurn(out io.Writer) *Turn {
	var b [16]byte
	rand.Read(b[:])
	return &Turn{out: out, Token: hex.EncodeToString(b[:]), Begun: make(chan struct{}), Over: make(chan struct{})}
}

// Write takes any piece of the stream.
func (t *Turn) Write(p []byte) (int, error) {
	select {
	case <-t.Over:
		return len(p), nil // output behind the script, if any, belongs to nobody
	default:
	}
	t.held = append(t.held, p...)
	if !t.running {
		_, rest, found := bytes.Cut(t.held, []byte(t.Token+"\n"))
		if !found { // late output of an earlier stage belongs to nobody
			t.held = t.held[max(0, len(t.held)-len(t.Token)):]
			return len(p), nil
		}
		t.running, t.held = true, rest
		close(t.Begun)
	}
	said, end, found := bytes.Cut(t.held, []byte(t.Token+" "))
	if !found {
		said = t.held[:len(t.held)-tokenBegins(t.held, t.Token)]
	}
	if len(said) > 0 {
		if _, err := t.out.Write(said); err != nil {
			return len(p), err
		}
		t.held = t.held[len(said):]
	}
	if line, _, whole := bytes.Cut(end, []byte("\n")); found && whole {
		t.finish(string(line))
	}
	return len(p), nil
}

func (t *Turn) finish(code string) {
	defer close(t.Over)
	if code == "-" {
		t.Err = ErrNotServed
	} else if t.Code, t.Err = strconv.Atoi(code); t.Err != nil {
		t.Err = fmt.Errorf("the exit code of a script in the helper: %w", t.Err)
	}
}

// tokenBegins is the number of bytes at the end of text that may begin the token.
func tokenBegins(text []byte, token string) int {
	for n := min(len(text), len(token)); n > 0; n-- {
		if bytes.HasSuffix(text, []byte(token[:n])) {
			return n
		}
	}
	return 0
}
