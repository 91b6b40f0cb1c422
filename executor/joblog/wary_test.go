package joblog

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// planted is hostile text: it sets a window's title, clears the screen, and writes
// backwards.
const planted = "\x1b]0;owned\a\x1b[2Jpla\u009b5mnted\u202e\x00"

func TestNoControlSequenceOfOthersReachesTheJobLog(t *testing.T) {
	for _, l := range []*Log{{}, {Colour: true}, {Colour: true, Folds: true}} {
		var out bytes.Buffer
		l.Out = &out
		for place, write := range map[string]func(){
			"a line":            func() { l.Say(planted) },
			"a warning":         func() { l.Warn(planted) },
			"one of more lines": func() { l.Warn(planted + "\n  " + planted) },
			"images":            func() { l.Images([]images.UsedImage{{Name: planted, Digest: planted}}) },
			"an error":          func() { l.Fail(fault.Job(errors.New(planted), planted)) },
			"a diagnosis":       func() { l.Explain(planted, planted) },
			"a service's line":  func() { _, _ = out.WriteString(l.OfService(planted, planted)) },
		} {
			out.Reset()
			write()
			text := out.String()
			if !strings.Contains(text, "planted") {
				t.Errorf("%s does not show what was planted: %q", place, text)
			}
			for _, own := range []string{yellow, red, grey, plain, clearLine, "\r"} {
				text = strings.ReplaceAll(text, own, "")
			}
			if wary.Text(text) != text {
				t.Errorf("%s passes on what a terminal obeys: %q", place, text)
			}
		}
	}
}
