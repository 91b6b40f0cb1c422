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

// The program owns the part of performance.md between these marks.
const (
	docBegin = "<!-- written by make bench: begin -->\n"
	docEnd   = "<!-- written by make bench: end -->"
)

// document writes the tables into performance.md, and the chart into its folder. The figures of
// the run before stand beside the new figures.
func (r report) document(folder string) error {
	file := filepath.Join(folder, "performance.md")
	page, err := os.ReadFile(file)
	if err == nil {
		page, err = between(page, r.markdown(readPage(string(page))))
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

// between replaces the text between the marks.
func between(page, text []byte) ([]byte, error) {
	head, rest, found := bytes.Cut(page, []byte(docBegin))
	_, tail, ends := bytes.Cut(rest, []byte(docEnd))
	if !found || !ends {
		return nil, errors.New("the page has no marks for them")
	}
	return bytes.Join([][]byte{head, []byte(docBegin), text, []byte(docEnd), tail}, nil), nil
}

// earlier is the page's content from the run before.
type earlier struct {
	// date is the date of the run, "" where the page has none.
	date string
	// figures are by floor, or by key and name. A row with another meaning has another name.
	figures map[string]string
}

// readPage reads the tables of an earlier markdown.
func readPage(page string) earlier {
	e := earlier{figures: map[string]string{}}
	_, page, _ = strings.Cut(page, docBegin)
	page, _, _ = strings.Cut(page, docEnd)
	for line := range strings.Lines(page) {
		if _, rest, found := strings.Cut(line, "Measured on "); found && e.date == "" {
			e.date, _, _ = strings.Cut(rest, ":") // as pages had it before
			e.date, _, _ = strings.Cut(e.date, " in ")
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "| ") || len(cells) < 4:
		case strings.HasPrefix(cells[0], "`"):
			e.figures[cells[0]+" "+cells[1]] = cells[2]
		default:
			e.figures[cells[0]] = cells[1]
		}
	}
	return e
}

// of is a figure of the run before, "" for none.
func (e earlier) of(names ...string) string { return e.figures[strings.Join(names, " ")] }

// markdown is the tables in the page's form.
func (r report) markdown(before earlier) []byte {
	var b bytes.Buffer
	m := r.Machine
	fmt.Fprint(&b, "\n![Medians of make bench](performance.svg)\n")
	fmt.Fprintf(&b, "\nMeasured on %s in %d rounds. The machine has %d cores (%s), %s of memory and Linux %s. Its engine is Docker %s",
		r.Date.Format("2 January 2006"), r.Rounds, m.Cores, m.CPU, m.Memory, m.Kernel, m.Engine)
	if m.Inner != "" {
		fmt.Fprintf(&b, ", with %s in the sidecars", m.Inner)
	}
	fmt.Fprintf(&b, ". Jobs are driven by %s.", m.driver())
	if len(r.Again) > 0 {
		fmt.Fprintf(&b, " Of a later run than the other tables: %s.", strings.Join(r.Again, "; "))
	}
	if before.date != "" {
		fmt.Fprintf(&b, " The column *before* is of the run on %s. Rows without a figure there are new.", before.date)
	}
	fmt.Fprint(&b, "\n\n| what | is | before | floor | goal | |\n|---|---:|---:|---|---|---|\n")
	for _, j := range r.Floors {
		verdict := j.verdict()
		if !j.Met {
			verdict = "**missed**"
		}
		goal := ""
		if j.Goal > 0 {
			goal = j.word(j.Goal)
		}
		fmt.Fprintf(&b, "| %s | %.2f | %s | %s | %s | %s |\n", j.Name, j.Value, before.of(j.Name), j.word(j.Bound), goal, verdict)
	}
	for _, s := range r.Tables {
		fmt.Fprintf(&b, "\n### %s\n\n| key | | %s | before | samples |\n|---|---|%s---:|---:|\n",
			s.Title, strings.Join(s.columns(), " | "), strings.Repeat("---:|", len(s.columns())))
		for _, row := range s.Rows {
			key, name := "`"+row.Key+"`", strings.ReplaceAll(row.Name, "|", "\\|")
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", key, name, strings.Join(s.cells(row), " | "), before.of(key, name), len(row.Samples))
		}
		if text := notMeasured(s.Missing); text != "" {
			fmt.Fprintf(&b, "\n%s\n", text)
		}
	}
	b.WriteString("\n")
	return b.Bytes()
}
