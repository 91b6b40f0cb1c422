package runnerconfig

import (
	"fmt"
	"slices"
	"strings"

	"gitlab-dind-executor/fault"
)

// pick finds the section for a name.
func pick(file string, runners []map[string]any, name string) (int, error) {
	var found, docker []int
	var others []string
	for i, r := range runners {
		n, executor := text(r["name"]), text(r["executor"])
		chosen := name == "" || n == name || name == number(i)
		switch {
		case executor == "docker":
			docker = append(docker, i)
			if chosen {
				found = append(found, i)
			}
		case chosen && executor != "custom":
			others = append(others, executor)
		}
	}
	if byName := slices.DeleteFunc(slices.Clone(found), func(i int) bool { return text(runners[i]["name"]) != name }); name != "" && len(byName) > 0 {
		found = byName // a name counts before a number
	}
	which := "say which with " + choices(runners, docker)
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1 && name != "":
		return 0, fault.System(fmt.Errorf("%s has %d runners %q", file, len(found), name), which)
	case len(found) > 1:
		return 0, fault.System(fmt.Errorf("%s has %d runners with the docker executor", file, len(found)), which)
	case len(others) > 0 && name != "":
		return 0, fault.System(fmt.Errorf("runner %q of %s has the executor %q", name, file, others[0]), elsewhere(others[0]))
	case len(docker) == 0 && len(others) > 0:
		return 0, fault.System(fmt.Errorf("%s has no runner with the docker executor, but with %q", file, others[0]), elsewhere(others[0]))
	case len(docker) == 0:
		return 0, fault.System(fmt.Errorf("%s has no runner with the docker executor", file), "gitlab-dind-executor register without --from prints a section")
	}
	return 0, fault.System(fmt.Errorf("%s has no runner %q", file, name), which)
}

// called returns a section's name or number, and the default name of the new section.
// Sections with the same name get two different new names.
func called(runners []map[string]any, i int) (old, next string) {
	name := text(runners[i]["name"])
	twin := slices.ContainsFunc(runners[:i], func(r map[string]any) bool { return text(r["name"]) == name && text(r["executor"]) == "docker" })
	switch {
	case name == "":
		return number(i), fmt.Sprintf("runner %d (dind)", i+1)
	case twin:
		return name, fmt.Sprintf("%s (dind %d)", name, i+1)
	}
	return name, name + " (dind)"
}

// number is a section's name by its place in the file.
func number(i int) string { return fmt.Sprintf("#%d", i+1) }

// choices lists the sections by name, and by number where names are not unique.
func choices(runners []map[string]any, docker []int) string {
	times := map[string]int{}
	for _, i := range docker {
		times[text(runners[i]["name"])]++
	}
	words := make([]string, len(docker))
	for n, i := range docker {
		name := text(runners[i]["name"])
		if words[n] = fmt.Sprintf("--runner %q", name); name == "" || times[name] > 1 {
			words[n] = fmt.Sprintf("--runner '%s'", number(i))
		}
	}
	return strings.Join(words, " or ")
}

// elsewhere says what to do about a runner of another executor.
func elsewhere(executor string) string {
	switch executor {
	case "docker-autoscaler", "docker+machine":
		return "it makes hosts for its jobs, and here each host has a Runner of its own (docs/many-hosts.md); " +
			"to see what its [runners.docker] becomes there, convert a copy of the file with executor = \"docker\""
	case "kubernetes":
		return "only the docker executor can be converted: pods of a cluster have no counterpart here"
	}
	return "only the docker executor can be converted: gitlab-dind-executor register without --from prints a section"
}
