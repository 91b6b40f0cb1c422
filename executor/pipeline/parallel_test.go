package pipeline

import (
	"fmt"
	"strings"
	"testing"
)

// matrixOf describes a job's copies by parallel in short: own variables and needs.
func matrixOf(p Pipeline) string {
	var out []string
	for _, j := range p.Jobs {
		text := j.Name
		if j.Total > 0 {
			text += fmt.Sprintf(" (%d of %d)", j.Index, j.Total)
		}
		for _, v := range j.Variables {
			text += " " + v.Key + "=" + v.Value
		}
		for _, n := range j.Needs {
			text += " <" + n.Job + ">"
		}
		for _, name := range j.Dependencies {
			text += " {" + name + "}"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func TestParallelJobs(t *testing.T) {
	job := func(parallel string, more ...string) string {
		return "a: {stage: build, script: [a], parallel: " + parallel + "}\n" + strings.Join(more, "\n")
	}
	arch := "{matrix: [{ARCH: [amd64, arm64]}]}"
	for name, c := range map[string]struct{ text, want string }{
		"three":                     {job("3"), "a 1/3 (1 of 3); a 2/3 (2 of 3); a 3/3 (3 of 3)"},
		"one":                       {job("1"), "a 1/1 (1 of 1)"},
		"none":                      {job("0"), "error: no number from 1 to 200"},
		"too many":                  {job("201"), "error: no number from 1 to 200"},
		"a number in quotes":        {job("'3'"), "error: no number"},
		"a word":                    {job("many"), "error: no number"},
		"a matrix":                  {job(arch), "a: [amd64] (1 of 2) ARCH=amd64; a: [arm64] (2 of 2) ARCH=arm64"},
		"the last changes fastest":  {job("{matrix: [{A: [1, 2], B: [x, y]}]}"), "a: [1, x] (1 of 4) A=1 B=x; a: [1, y] (2 of 4) A=1 B=y; a: [2, x] (3 of 4) A=2 B=x; a: [2, y] (4 of 4) A=2 B=y"},
		"several mappings":          {job("{matrix: [{A: x, B: [1, 2]}, {A: y}]}"), "a: [x, 1] (1 of 3) A=x B=1; a: [x, 2] (2 of 3) A=x B=2; a: [y] (3 of 3) A=y"},
		"the same twice":            {job("{matrix: [{A: x}, {A: x}, {A: y}]}"), "a: [x] (2 of 3) A=x; a: [y] (3 of 3) A=y"},
		"no matrix":                 {job("{matrix: []}"), "error: no list of mappings"},
		"an empty entry":            {job("{matrix: [{}]}"), "error: an entry is empty"},
		"an empty list":             {job("{matrix: [{A: []}]}"), "error: A has no value"},
		"a number with a point":     {job("{matrix: [{A: [1.10, 1.20]}]}"), "error: neither a text nor a whole number"},
		"such a number in quotes":   {job("{matrix: [{A: ['1.10']}]}"), "a: [1.10] (1 of 1) A=1.10"},
		"too large a matrix":        {job("{matrix: [{A: [" + strings.Repeat("x, ", 15) + "], B: [" + strings.Repeat("x, ", 15) + "]}]}"), "error: makes more than 200 jobs"},
		"many mappings":             {job("{matrix: [" + strings.Repeat("{A: [1, 2]}, ", 101) + "]}"), "error: makes more than 200 jobs"},
		"a name that moves":         {job(`{matrix: [{A: "x\ry"}]}`), "error: is no name of a job"},
		"another key":               {job("{matrix: [{A: x}], exclude: [{A: x}]}"), "error: no list of mappings"},
		"over the job's variables":  {"variables: {A: global}\na: {variables: {A: job, B: '$A'}, script: [a], parallel: {matrix: [{A: m}]}}", "a: [m] (1 of 1) A=global A=job B=$A A=m"},
		"rules see it":              {"a: {script: [a], parallel: " + arch + ", rules: [{if: '$ARCH == \"arm64\"', variables: {ARCH: other}}]}", "a: [amd64] (1 of 2) ARCH=amd64; a: [arm64] (2 of 2) ARCH=arm64 ARCH=other"},
		"needs of one":              {job(arch, "b: {script: [b], needs: ['a: [arm64]']}"), "a: [amd64] (1 of 2) ARCH=amd64; a: [arm64] (2 of 2) ARCH=arm64; b <a: [arm64]>"},
		"needs of all":              {job("2", "b: {script: [b], needs: [a]}"), "a 1/2 (1 of 2); a 2/2 (2 of 2); b <a 1/2> <a 2/2>"},
		"needs of some":             {job(arch, "b: {script: [b], needs: [{job: a, parallel: {matrix: [{ARCH: arm64}]}}]}"), "a: [amd64] (1 of 2) ARCH=amd64; a: [arm64] (2 of 2) ARCH=arm64; b <a: [arm64]>"},
		"needs of none that is":     {job(arch, "b: {script: [b], needs: [{job: a, parallel: {matrix: [{ARCH: riscv}]}}]}"), "error: job b needs a: [riscv]"},
		"needs of the same of both": {job(arch, "b: {script: [b], parallel: "+arch+", needs: ['a: [$[[ matrix.ARCH ]]]']}"), "a: [amd64] (1 of 2) ARCH=amd64; a: [arm64] (2 of 2) ARCH=arm64; b: [amd64] (1 of 2) ARCH=amd64 <a: [amd64]>; b: [arm64] (2 of 2) ARCH=arm64 <a: [arm64]>"},
		"the same, by a matrix":     {job(arch, "b: {script: [b], parallel: "+arch+", needs: [{job: a, parallel: {matrix: [{ARCH: ['$[[matrix.ARCH]]']}]}}]}"), "a: [amd64] (1 of 2) ARCH=amd64; a: [arm64] (2 of 2) ARCH=arm64; b: [amd64] (1 of 2) ARCH=amd64 <a: [amd64]>; b: [arm64] (2 of 2) ARCH=arm64 <a: [arm64]>"},
		"needs of what is not in":   {job(arch, "b: {script: [b], parallel: 2, needs: ['$[[ matrix.ARCH ]]']}"), "error: there is no ARCH in its matrix"},
		"dependencies":              {job("2", "b: {script: [b], dependencies: [a]}"), "a 1/2 (1 of 2); a 2/2 (2 of 2); b {a 1/2} {a 2/2}"},
		"dependencies of one":       {job("2", "b: {script: [b], dependencies: [a 2/2]}"), "a 1/2 (1 of 2); a 2/2 (2 of 2); b {a 2/2}"},
		"needs of no artifacts":     {job("2", "b: {script: [b], needs: [{job: a, artifacts: false, optional: true}]}"), "a 1/2 (1 of 2); a 2/2 (2 of 2); b <a 1/2> <a 2/2>"},
		"by extends":                {".p: {parallel: {matrix: [{A: [x, y]}]}}\na: {extends: .p, script: [a], parallel: {matrix: [{A: z}]}}", "a: [z] (1 of 1) A=z"},
		"by an anchor":              {".m: &m [{A: x}]\na: {script: [a], parallel: {matrix: *m}}", "a: [x] (1 of 1) A=x"},
		"one that is left out":      {"a: {script: [a], parallel: 2, rules: [{if: '$CI_NODE_INDEX == \"1\"'}]}\nb: {script: [b], needs: [a]}", "error: job b needs a 2/2, which is left out"},
		"more needs than anybody":   {job("200", "b: {script: [b], needs: ["+strings.Repeat("a, ", 6)+"]}"), "error: needs more than 1000 jobs"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := decision{text: c.text}.read(t)
			got := matrixOf(p)
			if err != nil {
				got = "error: " + err.Error()
			}
			if fault, of := strings.CutPrefix(c.want, "error: "); of && err != nil && strings.Contains(err.Error(), fault) {
				return
			}
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}
