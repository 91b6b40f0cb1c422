package driver

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"gitlab-dind-executor/fault"
)

// turn is one script's share of what the helper prints: what comes between the
// line with its token and the token with the exit code. It is for one writing
// goroutine.
type turn struct {
	out   io.Writer
	token string
	// held is what may still become the token, or the line that begins with it.
	held []byte
	// begun is closed when the helper turns to the script, over when that has
	// ended: code and err may be read then.
	begun, over chan struct{}
	running     bool
	code        int
	err         error
}

func newTurn(out io.Writer) *turn {
	var b [16]byte
	rand.Read(b[:])
	return &turn{out: out, token: hex.EncodeToString(b[:]), begun: make(chan struct{}), over: make(chan struct{})}
}

// Write takes any piece of the stream.
func (t *turn) Write(p []byte) (int, error) {
	select {
	case <-t.over:
		return len(p), nil // of what goes on behind the script, if anything
	default:
	}
	t.held = append(t.held, p...)
	if !t.running {
		_, rest, found := bytes.Cut(t.held, []byte(t.token+"\n"))
		if !found { // what a stage before this one still says is nobody's
			t.held = t.held[max(0, len(t.held)-len(t.token)):]
			return len(p), nil
		}
		t.running, t.held = true, rest
		close(t.begun)
	}
	said, end, found := bytes.Cut(t.held, []byte(t.token+" "))
	if !found {
		said = t.held[:len(t.held)-tokenBegins(t.held, t.token)]
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

func (t *turn) finish(code string) {
	defer close(t.over)
	if code == "-" {
		t.err = errNotServed
	} else if t.code, t.err = strconv.Atoi(code); t.err != nil {
		t.err = fault.System(fmt.Errorf("the exit code of a script in the helper: %w", t.err), "")
	}
}

// tokenBegins is how many bytes at the end of text may be the token's first.
func tokenBegins(text []byte, token string) int {
	for n := min(len(text), len(token)); n > 0; n-- {
		if bytes.HasSuffix(text, []byte(token[:n])) {
			return n
		}
	}
	return 0
}
