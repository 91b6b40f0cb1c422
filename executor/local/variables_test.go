package local

import "testing"

func TestReferencesAreReplacedOnce(t *testing.T) {
	v := variables{
		{Key: "A", Value: "1"},
		{Key: "B", Value: "$A"},
		{Key: "FILE", Value: "content", File: true},
		{Key: "RAW", Value: "$A", Raw: true},
		{Key: "TWICE", Value: "first"},
		{Key: "TWICE", Value: "last"},
		{Key: tempDirKey, Value: "/b/p.tmp"},
	}
	for in, want := range map[string]string{
		"":            "",
		"plain":       "plain",
		"$A":          "1",
		"${A}":        "1",
		"x${A}y$A-$A": "x1y1-1",
		"$A_B":        "",
		"$B":          "$A",
		"$RAW":        "$A",
		"$FILE":       "/b/p.tmp/FILE",
		"$TWICE":      "last",
		"$NONE":       "",
		"$$A":         "$A",
		"$1 $@ $?":    "  ",
		"50%":         "50%",
	} {
		if got := v.expandValue(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	got := v.expand()
	if got.value("B") != "1" || got.value("RAW") != "$A" || got.value("FILE") != "content" || v.value("B") != "$A" {
		t.Errorf("expanded: %+v", got)
	}
}

func TestTheProjectsFolderFollowsFromItsURL(t *testing.T) {
	for name, c := range map[string]struct {
		url, strategy string
		shared        bool
		project       string
		cache         string
	}{
		"a server's path":       {"https://u:p@h/a/b/c.git", "", false, "/builds/a/b/c", "/cache/a/b/c"},
		"no server, no path":    {"/srv/repo.git", "", false, "/builds/project-15", "/cache/project-15"},
		"a path with two dots":  {"https://h/a..b.git", "", false, "/builds/project-15", "/cache/project-15"},
		"an empty strategy":     {"https://h/a.git", "empty", false, "/builds/a-empty", "/cache/a-empty"},
		"a shared builds_dir":   {"https://h/a.git", "", true, "/builds/local/0/a", "/cache/a"},
		"an unknown strategy":   {"https://h/a.git", "magic", false, "/builds/a", "/cache/a"},
		"a URL without an end":  {"https://h/a", "", false, "/builds/a", "/cache/a"},
		"a URL that is no URL":  {"://", "", false, "/builds/project-15", "/cache/project-15"},
		"a server and no paths": {"https://h/", "", false, "/builds", "/cache"},
	} {
		t.Run(name, func(t *testing.T) {
			p := small()
			p.GitInfo.RepoURL = c.url
			p.Variables = []Variable{{Key: "GIT_STRATEGY", Value: c.strategy}}
			b := newBuild((&Runner{}).withDefaults(), p, &Job{})
			b.shared = c.shared
			b.setDirs("/builds", "/cache")
			if b.projectDir != c.project || b.cacheDir != c.cache {
				t.Errorf("project is %s, cache is %s", b.projectDir, b.cacheDir)
			}
		})
	}
}
