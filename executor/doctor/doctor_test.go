package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gitlab-dind-executor/fault"
)

func TestWhatAnotherCheckNeedsIsSkippedAndSaidSo(t *testing.T) {
	ran := map[string]bool{}
	check := func(name string, l Level, needs ...string) Check {
		return Check{Name: name, Needs: needs, Run: func(context.Context) []Finding {
			ran[name] = true
			return []Finding{{Check: name, Level: l, Text: "seen"}}
		}}
	}
	var out strings.Builder
	Examine(t.Context(), []Check{
		check("a", OK), check("b", Error, "a"), check("c", OK, "b"), check("d", OK, "a", "c"), check("e", Warning), check("f", OK, "e"),
	}, func(f Finding) { f.Line(&out) })
	want := `ok       a: seen
error    b: seen
skipped  c: not checked, since b is not well
skipped  d: not checked, since b is not well
warning  e: seen
ok       f: seen
`
	if out.String() != want {
		t.Errorf("printed:\n%s", out.String())
	}
	if ran["c"] || ran["d"] || !ran["f"] {
		t.Errorf("ran %v", ran)
	}
}

// A reader of a skipped check looks for the failed check by the name in its line.
func TestWhatIsNotWellIsNamedAsItsLineIs(t *testing.T) {
	var out strings.Builder
	Examine(t.Context(), []Check{
		{Name: "address pools", Run: func(context.Context) []Finding {
			return []Finding{Fine("network.pool", "free"), Bad("network.inner_pools", "", "none"), Bad("network.other", "", "none")}
		}},
		{Name: "sandbox", Needs: []string{"address pools"}},
		{Name: "helper", Needs: []string{"sandbox"}},
	}, func(f Finding) { f.Line(&out) })
	for _, want := range []string{"skipped  sandbox: ", "skipped  helper: "} {
		if want += "not checked, since network.inner_pools is not well\n"; !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// The last lines of a daemon come indented below an error.
func TestAFindingIsOneLineWhoeversWordsAreInIt(t *testing.T) {
	slow := errors.New("the docker daemon did not answer in time (awaiting headers):\n  /certs/server/cert.pem: OK\n  API listen on 2376")
	const want = "the docker daemon did not answer in time (awaiting headers): /certs/server/cert.pem: OK; API listen on 2376"
	for name, f := range map[string]Finding{
		"an error":         Of("sandbox", Error, slow),
		"within a doubt":   Doubt("sandbox", "", "%v", slow),
		"within a fault":   Bad("sandbox", "", "%v", slow),
		"within good news": Fine("sandbox", "%v", slow),
	} {
		if f.Text != want {
			t.Errorf("%s: %q", name, f.Text)
		}
	}
}

func TestWhatACheckLacksIsSaid(t *testing.T) {
	var out strings.Builder
	sidecar := ""
	check := func(name string, needs []string, lacks func() string) Check {
		return Check{Name: name, Needs: needs, Lacks: lacks, Run: func(context.Context) []Finding {
			sidecar = "sidecar.image of the settings"
			return []Finding{Fine(name, "seen")}
		}}
	}
	Examine(t.Context(), []Check{
		check("a", nil, func() string { return sidecar }), check("b", nil, func() string { return sidecar }),
		check("c", []string{"b"}, nil), check("d", []string{"a"}, nil),
	}, func(f Finding) { f.Line(&out) })
	want := `ok       a: seen
skipped  b: not checked, since sidecar.image of the settings is not well
skipped  c: not checked, since sidecar.image of the settings is not well
ok       d: seen
`
	if out.String() != want {
		t.Errorf("printed:\n%s", out.String())
	}
}

func TestACauseIsToldOnce(t *testing.T) {
	var out strings.Builder
	says := func(name string, l Level, text string) Check {
		return Check{Name: name, Run: func(context.Context) []Finding {
			return []Finding{{Check: name, Level: l, Text: text, Hint: "mend it"}}
		}}
	}
	Examine(t.Context(), []Check{
		says("registries", Error, "open ca.crt: no such file"),
		says("privilege", Error, "a plan: open ca.crt: no such file"),
		{Name: "sandbox", Needs: []string{"privilege"}},
		says("mirror", Warning, "open ca.crt: no such file"), // jobs do without
		says("images", Error, "something else"),
	}, func(f Finding) { f.Line(&out) })
	want := `error    registries: open ca.crt: no such file
         hint: mend it
skipped  privilege: not checked, since registries is not well
skipped  sandbox: not checked, since registries is not well
warning  mirror: open ca.crt: no such file
         hint: mend it
error    images: something else
         hint: mend it
`
	if out.String() != want {
		t.Errorf("printed:\n%s", out.String())
	}
}

// The words of an interrupted check are not the host's fault.
func TestAnExaminationThatIsBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	found := Examine(ctx, []Check{
		{Name: "a", Run: func(context.Context) []Finding { return []Finding{Fine("a", "seen")} }},
		{Name: "b", Run: func(ctx context.Context) []Finding {
			cancel()
			return []Finding{Of("b", Error, ctx.Err())}
		}},
		{Name: "c", Run: func(context.Context) []Finding { t.Error("it goes on"); return nil }},
	}, func(Finding) {})
	if len(found) != 1 || found[0].Check != "a" {
		t.Errorf("found %+v", found)
	}
}

func TestTheWorstFindingIsTheVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		levels []Level
		want   Level
	}{
		"nothing":                   {nil, OK},
		"all well":                  {[]Level{OK, OK}, OK},
		"a warning":                 {[]Level{OK, Warning, OK}, Warning},
		"an error before a warning": {[]Level{Error, Warning}, Error},
		"an error and what it cost": {[]Level{Error, Skipped}, Error},
	} {
		var found []Finding
		for _, l := range c.levels {
			found = append(found, Finding{Level: l})
		}
		if got := Worst(found); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAnErrorIsOneLineAndAHint(t *testing.T) {
	got := Of("x", Error, fault.System(errors.New("first:\n  second\n  third\n"), "do this"))
	if got != (Finding{"x", Error, "first: second; third", "do this"}) {
		t.Errorf("%+v", got)
	}
}

func TestJSONSaysTheSame(t *testing.T) {
	var out strings.Builder
	if err := JSON(&out, []Finding{Doubt("mirror", "a <hint>", "dead")}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"check": "mirror"`, `"level": "warning"`, `"text": "dead"`, `"hint": "a <hint>"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
}
