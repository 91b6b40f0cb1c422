package usage

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Arrange gives the commands below root their groups and examples. The list of flags shows
// only the name of a switch: "--json", not "--json[=true|false]".
func Arrange(root *cobra.Command) {
	for _, t := range titles {
		root.AddGroup(&cobra.Group{ID: t.id, Title: t.title})
	}
	arrange(root, "")
	cobra.AddTemplateFunc("flagsOf", flags)
	template := root.UsageTemplate()
	for _, of := range []string{"LocalFlags", "InheritedFlags"} {
		template = strings.ReplaceAll(template, "."+of+".FlagUsages", "flagsOf ."+of+".FlagUsages")
	}
	root.SetUsageTemplate(template)
}

func arrange(cmd *cobra.Command, path string) {
	for _, sub := range cmd.Commands() {
		at := strings.TrimSpace(path + " " + sub.Name())
		if e, listed := entries[at]; listed {
			sub.GroupID = e.group
			sub.Example = "  " + strings.ReplaceAll(e.example, "\n", "\n  ")
		}
		arrange(sub, at)
	}
}

const either = "[=true|false]"

var column = regexp.MustCompile(`^( +(?:-\w, )? *--\S+(?: \S+)?)( {2,})(\S.*)$`)

// flags returns pflag's lines of flags without the values of switches, in two columns
// again.
func flags(usages string) string {
	lines := strings.Split(usages, "\n")
	width := 0
	for i, line := range lines {
		lines[i] = strings.Replace(line, either, "", 1)
		if m := column.FindStringSubmatch(lines[i]); m != nil {
			width = max(width, len(m[1]))
		}
	}
	for i, line := range lines {
		if m := column.FindStringSubmatch(line); m != nil {
			lines[i] = m[1] + strings.Repeat(" ", width-len(m[1])+3) + m[3]
		}
	}
	return strings.Join(lines, "\n")
}
