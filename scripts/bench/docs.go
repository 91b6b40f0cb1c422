package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/fault"
)

// What stands between these in performance.md is the program's.
const (
	docBegin = "<!-- written by make bench: begin -->\n"
	docEnd   = "<!-- written by make bench: end -->"
)

// document writes the tables into performance.md, and the chart beside it.
func (r report) document(folder string) error {
	file := filepath.Join(folder, "performance.md")
	page, err := os.ReadFile(file)
	if err == nil {
		page, err = between(page, r.markdown())
	}
	if err == nil {
		err = os.WriteFile(file, page, 0o644)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "performance.svg"), r.chart(), 0o644)
	}
	if err != nil {
		return fault.System(fmt.Errorf("writing the figures: %w", err), "name the folder with performance.md by -docs, or leave that out")
	}
	return nil
}

// between replaces what stands between the marks.
func between(page, text []byte) ([]byte, error) {
	head, rest, found := bytes.Cut(page, []byte(docBegin))
	_, tail, ends := bytes.Cut(rest, []byte(docEnd))
	if !found || !ends {
		return nil, errors.New("the page has no marks for them")
	}
	return bytes.Join([][]byte{head, []byte(docBegin), text, []byte(docEnd), tail}, nil), nil
}

// markdown is the tables as the page has them.
func (r report) markdown() []byte {
	var b bytes.Buffer
	m := r.Machine
	fmt.Fprint(&b, "\n![Medians of make bench](performance.svg)\n")
	fmt.Fprintf(&b, "\nMeasured on %s: %d cores (%s), %s of memory, Linux %s, Docker Engine %s", r.Date.Format("2 January 2006"),
		m.Cores, m.CPU, m.Memory, m.Kernel, m.Engine)
	if m.Inner != "" {
		fmt.Fprintf(&b, ", %s in the sidecars", m.Inner)
	}
	fmt.Fprintf(&b, "; %d rounds.", r.Rounds)
	if len(r.Again) > 0 {
		fmt.Fprintf(&b, " Of a later run than the other tables: %s.", strings.Join(r.Again, "; "))
	}
	fmt.Fprint(&b, "\n\n| what | is | must be | |\n|---|---:|---|---|\n")
	for _, j := range r.Floors {
		verdict := "met"
		if !j.Met {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %.2f | %s | %s |\n", j.Name, j.Value, j.bounds(), verdict)
	}
	for _, s := range r.Tables {
		fmt.Fprintf(&b, "\n### %s\n\n| key | | median | min | max | spread | samples |\n|---|---|---:|---:|---:|---:|---:|\n", s.Title)
		for _, row := range s.Rows {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %d |\n", row.Key, strings.ReplaceAll(row.Name, "|", "\\|"),
				row.text(row.Median), row.text(row.Min), row.text(row.Max), row.spread(), len(row.Samples))
		}
		if text := notMeasured(s.Missing); text != "" {
			fmt.Fprintf(&b, "\n%s\n", text)
		}
	}
	b.WriteString("\n")
	return b.Bytes()
}
