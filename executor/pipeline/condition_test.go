package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestConditions(t *testing.T) {
	s := scope{"BRANCH": "main", "TAG": "", "SPACE": " ", "PATTERN": "/^MA/i", "WRONG": "/(/", "X": "feature/a"}
	for text, want := range map[string]verdict{
		`$BRANCH`: yes, `$TAG`: no, `$NONE`: no, `$SPACE`: no,
		`$BRANCH == "main"`: yes, `$BRANCH == 'other'`: no, `$BRANCH != "other"`: yes,
		`$NONE == null`: yes, `$TAG == null`: no, `$TAG == ""`: yes, `null != $BRANCH`: yes,
		`$BRANCH == $NONE`: no, `$BRANCH =~ /^ma/`: yes, `$BRANCH !~ /^ma/`: no, `$BRANCH =~ /^MA/`: no,
		`$BRANCH =~ /^MA/i`: yes, `$BRANCH =~ $PATTERN`: yes, `$X =~ /^feature\/.+$/`: yes,
		`$NONE =~ /^$/`: yes, `$NONE !~ /^ma/`: yes, `$BRANCH =~ $NONE`: no, `$BRANCH !~ $NONE`: yes,
		`$BRANCH =~ "the main one"`: yes, `$BRANCH =~ $WRONG`: no,
		`$NONE && $BRANCH || $BRANCH`: yes, `$BRANCH || $NONE && $NONE`: yes, `($BRANCH || $BRANCH) && $NONE`: no,
		`$NONE && $BRANCH == "main" || $BRANCH`: yes, `$BRANCH == "main" == true`: yes,
		`$TAG && $BRANCH`: yes, `$TAG || $BRANCH`: no, // an empty text counts as set
		"$BRANCH &&\n $X": yes,
		// Variables known to GitLab alone.
		`$GITLAB_USER_LOGIN`: maybe, `$GITLAB_USER_LOGIN == null`: maybe, `$CI_DEPLOY_FREEZE != "x"`: maybe,
		`$GITLAB_USER_LOGIN && $NONE`: no, `$NONE && $GITLAB_USER_LOGIN`: no, `$GITLAB_USER_LOGIN && $BRANCH`: maybe,
		`$GITLAB_USER_LOGIN == "a" || $BRANCH`: yes, `$BRANCH || $GITLAB_USER_LOGIN`: yes, `$GITLAB_USER_LOGIN || $NONE`: maybe,
		`$GITLAB_USER_LOGIN =~ /^bot-/`: maybe, `$BRANCH =~ $GITLAB_FEATURES`: maybe,
		// Variables without a value in a push to a branch.
		`$CI_COMMIT_TAG`: no, `$CI_MERGE_REQUEST_IID == null`: yes, `$BRANCH && $CI_OPEN_MERGE_REQUESTS`: no,
	} {
		if got, err := judged(t, text, s.value); got != want || err != nil {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		``, ` `, `BRANCH`, `$A ==`, `$A == "b`, `$A = "b"`, `($A`, `$A)`, `$A $B`, `$A =~ /(ab/`, `$A =~ /(?!ab)/`, `$A =~ /a/`,
		`$A =~ true`, `$A & $B`, `${A}`, `$A == b`, `! $A`, `()`, `$A == "a" and $B`, `$A =~ /ab`, `$A =~ /ab/x`,
		strings.Repeat("(", 1000), strings.Repeat("$A || ", 50) + "$A",
	} {
		if v, err := judged(t, text, s.value); err == nil {
			t.Errorf("%s is understood, as %v", text, v)
		}
	}
}

func TestATagsPipelineHasNoBranch(t *testing.T) {
	s := scope{"CI_COMMIT_TAG": "v1"}
	for text, want := range map[string]verdict{"$CI_COMMIT_BRANCH": no, "$CI_COMMIT_BRANCH == null": yes, "$CI_COMMIT_TAG =~ /^v/": yes} {
		if got, err := judged(t, text, s.value); got != want || err != nil {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
	}
}

func FuzzConditions(f *testing.F) {
	for _, s := range []string{`$A == "b" && ($C =~ /^d\/e+$/i || null != $CI_X)`, `true == $A`, `"a" =~ $P`, `$A !~ /(?i)x{2}/U`} {
		f.Add(s)
	}
	s := scope{"A": "b", "P": "/a(b|c)/m"}
	f.Fuzz(func(t *testing.T, text string) {
		loose, err := judged(t, text, s.value)
		strict, err2 := judged(t, text, s.strict)
		if (err == nil) != (err2 == nil) {
			t.Errorf("%q is understood by one: %v, %v", text, err, err2)
		}
		if loose != strict && strict != maybe {
			t.Errorf("%q is %v, and %v where more is unknown", text, loose, strict)
		}
	})
}

func FuzzPatternsOfPaths(f *testing.F) {
	for _, s := range []string{"**/{a,b{c,d}}/[!x-z]?*", `\*[a]]`, "{{{,}", "[z-a]", "**/**/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, glob string) { globPattern(glob) })
}

func judged(t *testing.T, text string, variable func(string) value) (verdict, error) {
	words, err := lex(text)
	if err != nil {
		return no, err
	}
	return judge(t.Context(), words, variable)
}

// Ctrl-C ends the search, and completion waits a few seconds.
func TestALongSearchEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	const many = 20_000
	text := "j:\n  script: [x]\n  rules:\n  - if: '\"" + strings.Repeat("a", many) + "\" =~ /" + strings.Repeat("a?", many) + "b/'\n"
	began := time.Now()
	_, err := Read(ctx, fstest.MapFS{"a": {Data: []byte(text)}}, "a", input)
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}
