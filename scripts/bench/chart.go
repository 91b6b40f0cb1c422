package main

import (
	"bytes"
	"fmt"
	"html"
)

// charted are the groups of rows in the chart. Our rows are drawn in colour.
var charted = []struct {
	title string
	keys  []string
}{
	{"To the first line of the script, sources fetched", []string{"A+", "C+", "N+", "W+", "D"}},
	{"A whole job that runs docker version", []string{"A+w", "C+w", "W+w"}},
	{"A whole job that builds and pushes an image", []string{"RX", "R", "RL", "SL"}},
	{"8 jobs at once, to the first line", []string{"X8", "P8"}},
}

// coloured are the rows of this project.
var coloured = map[string]bool{"C+": true, "N+": true, "W+": true, "C+w": true, "W+w": true, "R": true, "RL": true, "SL": true, "P8": true}

// Sizes in the chart, in pixels.
const (
	chartWidth, labelWidth, valueWidth = 960, 430, 80
	barHeight, barGap, titleHeight     = 20, 10, 44
)

// chartStyle suits pages in light and in dark.
const chartStyle = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.other { fill: #8c959f } .ours { fill: #0969da } .range { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .other { fill: #6e7681 } .ours { fill: #4493f8 } .range { stroke: #e6edf3 }
}
</style>
`

// chart draws medians as bars, each with a line from the least sample to the greatest. Each
// group has a scale of its own.
func (r report) chart() []byte {
	var body bytes.Buffer
	y := 8
	for _, g := range charted {
		var rows []row
		most := 0.0
		for _, key := range g.keys {
			if row, ok := r.row(key); ok {
				rows = append(rows, row)
				most = max(most, row.Max)
			}
		}
		if len(rows) == 0 || most == 0 {
			continue
		}
		fmt.Fprintf(&body, "<text class=\"title\" x=\"0\" y=\"%d\">%s</text>\n", y+20, html.EscapeString(g.title))
		y += titleHeight - barGap
		scale := float64(chartWidth-labelWidth-valueWidth) / most
		for _, row := range rows {
			drawBar(&body, row, y, scale)
			y += barHeight + barGap
		}
		y += barGap
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"medians of make bench\">\n",
		chartWidth, y, chartWidth, y)
	out.WriteString(chartStyle)
	out.Write(body.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func drawBar(out *bytes.Buffer, r row, y int, scale float64) {
	class := "other"
	if coloured[r.Key] {
		class = "ours"
	}
	at := func(v float64) float64 { return labelWidth + v*scale }
	middle := y + barHeight/2
	fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", labelWidth-10, middle+5, html.EscapeString(r.Name))
	fmt.Fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n", class, labelWidth, y, r.Median*scale, barHeight)
	fmt.Fprintf(out, "<line class=\"range\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n", at(r.Min), at(r.Max), middle, middle)
	fmt.Fprintf(out, "<text x=\"%.1f\" y=\"%d\">%.2f s</text>\n", at(r.Max)+8, middle+5, r.Median/1000)
}
