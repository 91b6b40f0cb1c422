package doctor

import (
	"fmt"

	"gitlab-dind-executor/executor/runnerconfig"
)

// Hooks judges whether a Runner's config.toml calls this program correctly.
func Hooks(f runnerconfig.File, n runnerconfig.Needs, look func(path string) runnerconfig.Executable) []Finding {
	const check = "hooks"
	ours := f.Ours(look)
	if len(ours) == 0 {
		return []Finding{Bad(check, "gitlab-dind-executor register prints the section, register --write "+f.Path+" puts it in",
			"no [[runners]] of %s calls this program", f.Path)}
	}
	var found []Finding
	for _, s := range ours {
		remarks := s.Judge(f.Path, n, look)
		for _, r := range remarks {
			level := Warning
			if r.Severe {
				level = Error
			}
			found = append(found, Finding{check, level, r.Text, r.Hint})
		}
		if len(remarks) == 0 {
			found = append(found, Fine(check, "runner %q of %s gives the hooks enough time", s.Name, f.Path))
		}
	}
	return found
}

// Concurrency judges the Runner's number of jobs at once beside the resources of the
// engine's host.
func Concurrency(concurrent, cpus int, memory int64) Finding {
	const check = "concurrent"
	// The Runner reads 0 as 1.
	n := max(concurrent, 1)
	if most := Concurrent(cpus, memory); cpus > 0 && n > 4*most {
		return Doubt(check, fmt.Sprintf("concurrent = %d is what this host bears well", most),
			"%d at once, on %d cores and %.0f GB of memory", n, cpus, float64(memory)/(1<<30))
	}
	return Fine(check, "%d at once", n)
}

// Concurrent is the number of jobs that a host bears well: a core and 2 GiB for each.
func Concurrent(cpus int, memory int64) int {
	return max(1, min(cpus, int(memory>>31)))
}
