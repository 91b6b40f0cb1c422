package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// span is a piece of text in a single style.
type span struct {
	text string
	// colour is an SGR code, 30 to 37. 0 is the usual colour.
	colour int
	bold   bool
}

// line is a line of a job log in GitLab's view.
type line struct {
	number int
	spans  []span
	// header says: a section begins here. collapsed says: GitLab hides the section's lines.
	header, collapsed bool
	// took is the section's time, mm:ss, or "" where GitLab shows no time.
	took string
	// depth counts the sections around the line.
	depth int
	// hidden says: the line is in a collapsed section.
	hidden bool
}

// section is an open section.
type section struct {
	name            string
	began           int64
	collapsed, mute bool
	// header is the index of the section's first line, -1 before this line has come.
	header int
}

// marker is the begin or end of a section. control is any other sequence that changes no text.
var (
	marker  = regexp.MustCompile(`section_(start|end):([0-9]+):([A-Za-z0-9_.-]+)(?:\[([^\]]*)\])?\r`)
	control = regexp.MustCompile("\x1b\\[([0-9;]*)([A-Za-z])")
)

// parse reads a job log: sections, colours, and overwritten lines.
func parse(log string) []line {
	var lines []line
	var open []section
	style := span{}
	for i, text := range strings.Split(strings.TrimRight(log, "\n"), "\n") {
		l := line{number: i + 1}
		for {
			at := marker.FindStringSubmatchIndex(text)
			if at == nil {
				break
			}
			part := func(n int) string {
				if at[2*n] < 0 {
					return ""
				}
				return text[at[2*n]:at[2*n+1]]
			}
			when, _ := strconv.ParseInt(part(2), 10, 64) // only digits match
			if part(1) == "start" {
				options := part(4)
				open = append(open, section{
					name: part(3), began: when, header: -1,
					collapsed: strings.Contains(options, "collapsed=true"), mute: strings.Contains(options, "hide_duration=true"),
				})
			} else {
				open = ended(open, lines, part(3), when)
			}
			text = text[:at[0]] + text[at[1]:]
		}
		l.spans, style = spans(written(text), style)
		if l.width() == 0 && len(text) > 0 && i == strings.Count(strings.TrimRight(log, "\n"), "\n") {
			break // a last line that held markers alone
		}
		for n := range open {
			if open[n].header < 0 {
				open[n].header, l.header, l.collapsed = len(lines), true, open[n].collapsed
				continue
			}
			l.depth++
			l.hidden = l.hidden || open[n].collapsed
		}
		lines = append(lines, l)
	}
	return lines
}

// ended closes a section and the unended sections within.
func ended(open []section, lines []line, name string, when int64) []section {
	for n := len(open) - 1; n >= 0; n-- {
		s := open[n]
		if s.name != name {
			continue
		}
		if s.header >= 0 && !s.mute {
			seconds := max(0, when-s.began)
			lines[s.header].took = fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
		}
		return open[:n]
	}
	return open
}

// written is the final text of a line that went back to its beginning.
func written(text string) string {
	text = strings.TrimRight(text, "\r")
	return text[strings.LastIndexByte(text, '\r')+1:]
}

// spans cuts a line where its style changes, and returns the style for the next line.
func spans(text string, style span) ([]span, span) {
	var list []span
	add := func(text string) {
		if text != "" {
			list = append(list, span{text, style.colour, style.bold})
		}
	}
	for {
		at := control.FindStringSubmatchIndex(text)
		if at == nil {
			add(text)
			return list, style
		}
		add(text[:at[0]])
		if text[at[4]:at[5]] == "m" {
			style = styled(style, text[at[2]:at[3]])
		}
		text = text[at[1]:]
	}
}

func styled(style span, codes string) span {
	for _, code := range strings.Split(codes, ";") {
		switch n, _ := strconv.Atoi(code); {
		case n == 0:
			style = span{}
		case n == 1:
			style.bold = true
		case n == 22:
			style.bold = false
		case n >= 30 && n <= 37:
			style.colour = n
		case n >= 90 && n <= 97:
			style.colour, style.bold = n-60, true
		case n == 39:
			style.colour = 0
		}
	}
	return style
}

// width is the width of a line's text, in characters.
func (l line) width() int {
	n := 0
	for _, s := range l.spans {
		n += len([]rune(s.text))
	}
	return n
}
