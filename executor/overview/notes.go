package overview

import (
	"fmt"
	"io"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/wary"
)

const (
	// mostNotes bounds the notes below a table, and mostNamed the sandboxes named in a
	// note.
	mostNotes = 8
	mostNamed = 4
)

// note is about sandboxes with the same message.
type note struct {
	sandboxes []string
	// text stands behind their names, and hint on the next line. place in them stands for
	// the first name.
	text, hint string
}

// place stands for a sandbox's name. No text of others contains place.
const place = "\x00"

// notesOf returns the notes about the shown sandboxes. Equal notes become one: a dead
// Runner can leave hundreds.
func (st Status) notesOf(shown []looking.SandboxStatus) []note {
	var list []note
	add := func(one looking.SandboxStatus, text, hint string) {
		id := wary.Line(one.Sandbox)
		for i := range list {
			if list[i].text == text && list[i].hint == hint {
				list[i].sandboxes = append(list[i].sandboxes, id)
				return
			}
		}
		list = append(list, note{[]string{id}, text, hint})
	}
	for _, one := range shown {
		if one.DaemonEnded && one.State == looking.Running {
			add(one, ": its docker daemon has ended", "gitlab-dind-executor logs "+place+" --tail 20 shows why")
		}
		switch one.State {
		case looking.Held:
			more := "for some time"
			if one.Until != nil {
				more = "for " + config.Age(one.Until.Sub(st.Time)) + " more"
			}
			add(one, " is held "+more+": gitlab-dind-executor shell "+place, "gitlab-dind-executor gc --held ends that")
		case looking.Orphan:
			add(one, ": "+wary.Line(one.Reason), "the next job removes it, or gitlab-dind-executor gc")
		case looking.Doubtful:
			add(one, ": "+wary.Line(one.Reason),
				"if its job is over: docker rm -f the containers of docker ps -a --filter name=dind-"+place+", then gitlab-dind-executor gc")
		}
	}
	for _, v := range st.Stuck {
		list = append(list, note{
			text: "volume " + wary.Line(v.Name) + " resists its removal: " + wary.Line(v.Reason),
			hint: "gitlab-dind-executor gc empties it first; should that fail, it says why",
		})
	}
	return list
}

// notes prints the lines below a table.
func (st Status) notes(out io.Writer, shown []looking.SandboxStatus) {
	list := st.notesOf(shown)
	for _, n := range list[:min(len(list), mostNotes)] {
		first := ""
		if len(n.sandboxes) > 0 {
			first = n.sandboxes[0]
		}
		fill := func(text string) string { return strings.Replace(text, place, first, 1) }
		fmt.Fprintf(out, "\n%s%s\nhint: %s\n", named(n.sandboxes), fill(n.text), fill(n.hint))
	}
	if more := len(list) - mostNotes; more > 0 {
		fmt.Fprintf(out, "\n… and %d more such notes: gitlab-dind-executor status --json has all reasons\n", more)
	}
	for _, m := range st.Missing {
		fmt.Fprintf(out, "\nnot known: %s\n", wary.Line(m))
	}
}

// named returns the first of several names, and the number of the others.
func named(list []string) string {
	text := strings.Join(list[:min(len(list), mostNamed)], ", ")
	if more := len(list) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
