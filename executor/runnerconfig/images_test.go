package runnerconfig

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

// A job without a policy of its own gets the same policies as from the docker executor.
// They are those of pull_policy that allowed_pull_policies has, too.
func TestNoPullPolicyIsLooser(t *testing.T) {
	for name, c := range map[string]struct {
		policies, allowed string
		want, wantAllowed []string
		note              string
	}{
		"none":                  {"", "", []string{"always"}, nil, "what is on the host serves while"},
		"some allowed":          {`["always", "if-not-present"]`, `["always"]`, []string{"always"}, []string{"always"}, "those of allowed_pull_policies alone"},
		"one allowed":           {`["if-not-present", "never"]`, `["never"]`, []string{"never"}, []string{"never"}, "those of allowed_pull_policies alone"},
		"none allowed":          {`"always"`, `["never"]`, []string{"never"}, []string{"never"}, "there a job without a policy of its own fails"},
		"the default forbidden": {"", `["if-not-present"]`, []string{"if-not-present"}, []string{"if-not-present"}, "always is none of them"},
		"more allowed":          {`"if-not-present"`, `["always", "if-not-present"]`, []string{"if-not-present"}, []string{"always", "if-not-present"}, "as there, a job can use a private image"},
		"a word that is none":   {`["sometimes", "never"]`, `["never", "often"]`, []string{"never"}, []string{"never"}, "it is no pull policy"},
		"no word that is one":   {`"sometimes"`, `["often"]`, []string{"always"}, nil, "it is no pull policy"},
	} {
		t.Run(name, func(t *testing.T) {
			src := "[[runners]]\nexecutor = \"docker\"\n[runners.docker]\n"
			if c.policies != "" {
				src += "pull_policy = " + c.policies + "\n"
			}
			if c.allowed != "" {
				src += "allowed_pull_policies = " + c.allowed + "\n"
			}
			converted, err := Convert("x", []byte(src), "")
			if err != nil {
				t.Fatal(err)
			}
			s, err := config.Parse("dind.toml", []byte(converted.Settings))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.Pull.Policy, c.want) || !slices.Equal(s.Pull.AllowedPolicies, c.wantAllowed) {
				t.Errorf("policies %q, allowed %q", s.Pull.Policy, s.Pull.AllowedPolicies)
			}
			if all := notes(t, converted); !slices.ContainsFunc(all, func(n Note) bool { return strings.Contains(n.Text, c.note) }) {
				t.Errorf("no %q in %+v", c.note, all)
			}
		})
	}
}

func TestPatternsInFull(t *testing.T) {
	for p, want := range map[string][]string{
		"ruby":                         {"docker.io/library/ruby:latest"},
		"ruby:*":                       {"docker.io/library/ruby:*"},
		"ruby*":                        {"docker.io/library/ruby*"},
		"team/app:1":                   {"docker.io/team/app:1"},
		"*/app:1":                      {"*/app:1", "docker.io/*/app:1"},
		"registry.example.com:5000/**": {"registry.example.com:5000/**"},
		"localhost/x:1":                {"localhost/x:1"},
		"**":                           {"**"},
		"**/ruby:*":                    {"**/ruby:*"},
		"app@sha256:*":                 {"docker.io/library/app@sha256:*"},
		"{ruby,alpine}:*":              {"docker.io/library/{ruby,alpine}:*"},
		"{ruby,team/app,r.io/x}:1":     {"docker.io/library/ruby:1", "docker.io/team/app:1", "r.io/x:1"},
		"r.io/{a,b/c}:{1,2}":           {"r.io/a:{1,2}", "r.io/b/c:{1,2}"},
		"{a/{b,c},d}:1":                {"docker.io/a/{b,c}:1", "docker.io/library/d:1"},
		"{a/b":                         {"docker.io/{a/b:latest"},
		"{r.io,team}/app:1":            {"docker.io/team/app:1", "r.io/app:1"},
		"{team,localhost}/app:1":       {"docker.io/team/app:1", "localhost/app:1"},
		"{ruby:3,alpine}":              {"docker.io/library/alpine:latest", "docker.io/library/ruby:3"},
		"{ruby@sha256:*,alpine}":       {"docker.io/library/alpine:latest", "docker.io/library/ruby@sha256:*"},
		"team/{a:1,b}":                 {"docker.io/team/a:1", "docker.io/team/b:latest"},
	} {
		if got := full([]string{p}); !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", p, got, want)
		}
	}
}
