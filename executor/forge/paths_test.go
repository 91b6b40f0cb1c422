package forge

import (
	"os"
	"strings"
	"testing"
)

func TestPathsOfTheTreeAndOfAChange(t *testing.T) {
	r := repository(t)
	write(t, r.Top+"/ignored", "x")
	write(t, r.Top+"/new file", "x")
	write(t, r.Top+"/sub/one", "other\n")
	run(t, r.Top, "rm", "-q", "--cached", "gone")
	if err := os.Remove(r.Top + "/gone"); err != nil {
		t.Fatal(err)
	}
	files, err := r.Files(t.Context())
	if got := strings.Join(files, ","); got != ".gitignore,new file,sub/one" || err != nil {
		t.Errorf("the files are %q (%v)", got, err)
	}
	if _, known := r.Changed(t.Context(), ""); known {
		t.Error("without a branch at the remote it is known what a push would change")
	}
	run(t, r.Top, "update-ref", "refs/remotes/origin/main", "HEAD")
	if changed, known := r.Changed(t.Context(), ""); !known || changed != nil {
		t.Errorf("a new branch changes %q, known: %v", changed, known)
	}
	run(t, r.Top, "update-ref", "refs/remotes/origin/work", "HEAD")
	run(t, r.Top, "tag", "v1")
	for _, ref := range []string{"", "work", "refs/heads/work", "v1", r.SHA} {
		changed, known := r.Changed(t.Context(), ref)
		if got := strings.Join(changed, ","); got != "gone,sub/one,new file" || !known {
			t.Errorf("since %q it changes %q, known: %v", ref, got, known)
		}
	}
	run(t, r.Top, "add", "-A")
	run(t, r.Top, "commit", "-qm", "third")
	run(t, r.Top, "update-ref", "refs/remotes/origin/work", "HEAD")
	if changed, known := r.Changed(t.Context(), ""); !known || changed == nil || len(changed) > 0 {
		t.Errorf("a push of nothing changes %q, known: %v", changed, known)
	}
	for _, ref := range []string{"none", "--all", "HEAD:sub", "work..v1"} {
		if changed, known := r.Changed(t.Context(), ref); known {
			t.Errorf("since %q it changes %q", ref, changed)
		}
	}
}
