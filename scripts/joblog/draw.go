package main

import (
	"bytes"
	"fmt"
	"html"
)

// Sizes of the picture, in pixels and in characters.
const (
	columns               = 108
	charWidth, lineHeight = 7.85, 20
	gutter, indent, edge  = 44, 18, 14
	pictureWidth          = gutter + indent + columns*charWidth + edge
)

// colours are a terminal's on dark ground, by SGR code.
var colours = map[int]string{
	0: "#dcdcde", 30: "#89888d", 31: "#ff7b72", 32: "#52d273", 33: "#e5b84a", 34: "#79a8ff", 35: "#d48aff", 36: "#4fd1d9", 37: "#a4a3a8",
}

const pictureStyle = `<style>
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }
.b { font-weight: 700 } .n { fill: #737278 } .t { fill: #a4a3a8; font-size: 12px }
</style>
`

// draw makes a picture of a job log on dark ground, as GitLab's.
func draw(lines []line) []byte {
	var body bytes.Buffer
	y := edge
	row := func(l line, spans []span, first bool) {
		base := y + 14
		if l.header && first {
			fmt.Fprintf(&body, "<rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%d\" fill=\"#28272d\"/>\n", gutter-4, y, pictureWidth-gutter, lineHeight)
			arrow := "▾"
			if l.collapsed {
				arrow = "▸"
			}
			fmt.Fprintf(&body, "<text class=\"t\" x=\"%d\" y=\"%d\">%s</text>\n", gutter, base, arrow)
		}
		if first {
			fmt.Fprintf(&body, "<text class=\"n\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text>\n", gutter-12, base, l.number)
		}
		if l.took != "" && first {
			fmt.Fprintf(&body, "<text class=\"t\" x=\"%.0f\" y=\"%d\" text-anchor=\"end\">%s</text>\n", pictureWidth-edge, base, l.took)
		}
		if len(spans) > 0 {
			fmt.Fprintf(&body, "<text xml:space=\"preserve\" x=\"%d\" y=\"%d\">", gutter+indent, base)
			for _, s := range spans {
				class := ""
				if s.bold {
					class = ` class="b"`
				}
				fmt.Fprintf(&body, "<tspan%s fill=\"%s\">%s</tspan>", class, colours[s.colour], html.EscapeString(s.text))
			}
			body.WriteString("</text>\n")
		}
		y += lineHeight
	}
	for _, l := range lines {
		if l.hidden {
			continue
		}
		for n, part := range wrapped(l.spans, columns) {
			row(l, part, n == 0)
		}
	}
	height := y + edge
	var picture bytes.Buffer
	fmt.Fprintf(&picture, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%d\" viewBox=\"0 0 %.0f %d\" role=\"img\" aria-label=\"a job log\">\n",
		pictureWidth, height, pictureWidth, height)
	picture.WriteString(pictureStyle)
	fmt.Fprintf(&picture, "<rect width=\"100%%\" height=\"100%%\" rx=\"6\" fill=\"#18171d\"/>\n")
	picture.Write(body.Bytes())
	picture.WriteString("</svg>\n")
	return picture.Bytes()
}

// wrapped cuts a line into rows of at most the width. A line without text is a single row.
func wrapped(spans []span, width int) [][]span {
	rows := [][]span{nil}
	left := width
	for _, s := range spans {
		for text := []rune(s.text); len(text) > 0; {
			if left == 0 {
				rows, left = append(rows, nil), width
			}
			n := min(left, len(text))
			last := len(rows) - 1
			rows[last] = append(rows[last], span{string(text[:n]), s.colour, s.bold})
			text, left = text[n:], left-n
		}
	}
	return rows
}
