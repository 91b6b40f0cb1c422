package plan

import "testing"

func TestVersionsOfDocker(t *testing.T) {
	for in, c := range map[string]struct {
		want  Version
		shown string
	}{
		"28.1.1":        {Version{28, 1}, "28"},
		"29.0.0-rc.1":   {Version{29, 0}, "29"},
		"26.1.5+dfsg1":  {Version{26, 1}, "26"},
		"20.10.16":      {Version{20, 10}, "20.10"},
		"19.03.13-beta": {Version{19, 3}, "19.03"},
		"v18.09.9":      {Version{18, 9}, "18.09"},
		"17.05.0-ce":    {Version{17, 5}, "17.05"},
		"":              {}, "latest": {}, "28": {}, "28-dind": {}, "x28.1": {}, "99999.1": {}, "-1.2": {},
	} {
		got := ParseVersion(in)
		if got != c.want || got.Known() != (c.shown != "") || got.Known() && got.String() != c.shown {
			t.Errorf("%q is %v, shown as %s", in, got, got)
		}
	}
	v := Version{24, 0}
	for _, c := range []struct {
		major, minor int
		before       bool
	}{{24, 0, false}, {24, 1, true}, {25, 0, true}, {23, 9, false}} {
		if v.Before(c.major, c.minor) != c.before {
			t.Errorf("24.0 before %d.%d: %t", c.major, c.minor, !c.before)
		}
	}
}

func TestAnImageTellsItsVersion(t *testing.T) {
	if v := ImageVersion([]string{"PATH=/bin", "DOCKER_VERSION=28.1.1"}); v != (Version{28, 1}) {
		t.Errorf("got %v", v)
	}
	if v := ImageVersion([]string{"DOCKER_VERSION_X=28.1.1"}); v.Known() {
		t.Errorf("got %v", v)
	}
}
