package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

const clearLine = "\x1b[0K"

func TestTheDocsHaveThePictureOfTheRecordedLog(t *testing.T) {
	log, err := os.ReadFile("recorded.log")
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile("../../docs/job-log.svg")
	if err != nil || !bytes.Equal(picture, draw(parse(string(log)))) {
		t.Errorf("docs/job-log.svg is not that of recorded.log (%v): go run ./scripts/joblog draws it", err)
	}
}

// shown are the lines as a person sees them: headers with their arrows and times.
func shown(lines []line) []string {
	var list []string
	for _, l := range lines {
		if l.hidden {
			continue
		}
		var text strings.Builder
		switch {
		case l.header && l.collapsed:
			text.WriteString("▸ ")
		case l.header:
			text.WriteString("▾ ")
		}
		for _, s := range l.spans {
			text.WriteString(s.text)
		}
		if l.took != "" {
			text.WriteString(" " + l.took)
		}
		list = append(list, text.String())
	}
	return list
}

func TestSections(t *testing.T) {
	start := func(at, name string) string { return "section_start:" + at + ":" + name + "\r" + clearLine }
	end := func(at, name string) string { return "section_end:" + at + ":" + name + "\r" + clearLine }
	for name, c := range map[string]struct {
		log  string
		want []string
	}{
		"none":                {"a\nb\n", []string{"a", "b"}},
		"one after the other": {start("10", "a") + "A\none\n" + end("75", "a") + start("75", "b") + "B\n" + end("75", "b"), []string{"▾ A 01:05", "one", "▾ B 00:00"}},
		"one that begins collapsed, in another": {
			start("1", "a") + "A\n" + clearLine + start("2", "in[hide_duration=true,collapsed=true]") + "using x\n  x is sha256:1\n" +
				clearLine + end("2", "in") + "booting\n" + end("4", "a") + "after\n",
			[]string{"▾ A 00:03", "▸ using x", "booting", "after"},
		},
		"one that nobody ends":            {start("1", "a") + "A\none\n", []string{"▾ A", "one"}},
		"one whose outer one ends before": {start("1", "a") + "A\n" + start("2", "b") + "B\n" + end("4", "a") + "after\n", []string{"▾ A 00:03", "▾ B", "after"}},
		"an end of what never began":      {end("4", "a") + "text\n", []string{"text"}},
		"a clock that went back":          {start("9", "a") + "A\n" + end("4", "a") + "x\n", []string{"▾ A 00:00", "x"}},
		"a line that was written over":    {"10%\r50%\rdone\r\n", []string{"done"}},
		"an empty line":                   {"a\n\nb\n", []string{"a", "", "b"}},
	} {
		if got := shown(parse(c.log)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestColours(t *testing.T) {
	lines := parse("\x1b[0;33mwarning: x\x1b[0;m plain \x1b[31;1mERROR\x1b[0m\n\x1b[36mgoes on\nhere\x1b[39m \x1b[1mbold\x1b[22m\x1b[92mbright\x1b[2J\n")
	want := [][]span{
		{{"warning: x", 33, false}, {" plain ", 0, false}, {"ERROR", 31, true}},
		{{"goes on", 36, false}},
		{{"here", 36, false}, {" ", 0, false}, {"bold", 0, true}, {"bright", 32, true}},
	}
	for i, w := range want {
		if !slices.Equal(lines[i].spans, w) {
			t.Errorf("line %d: %+v, want %+v", i+1, lines[i].spans, w)
		}
	}
}

// The picture of any log is XML with the log's text.
func TestAPictureIsXML(t *testing.T) {
	long := strings.Repeat("x", 2*columns+1)
	picture := draw(parse("a <b> & \"c\"\n" + long + "\nsection_start:1:s[collapsed=true]\r" + clearLine + "head\nhidden\nsection_end:2:s\r" + clearLine))
	var text strings.Builder
	for dec := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if chars, ok := token.(xml.CharData); ok {
			text.Write(chars)
		}
	}
	flat := strings.ReplaceAll(text.String(), "\n", "")
	if !strings.Contains(flat, `a <b> & "c"`) || !strings.Contains(flat, "▸") || strings.Contains(flat, "hidden") || strings.Count(flat, "x") < len(long) {
		t.Errorf("its text is %q", flat)
	}
}
