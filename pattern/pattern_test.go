package pattern

import "testing"

func TestAPatternIsCompiledOnItsFirstUse(t *testing.T) {
	p := New(`a(b+)`)
	if m := p.FindStringSubmatch("xabby"); len(m) != 2 || m[1] != "bb" || !p.MatchString("ab") || p.String() != `a(b+)` {
		t.Errorf("found %q", m)
	}
	if len(Wrong()) != 0 {
		t.Error("a right pattern is wrong")
	}
	before := all
	defer func() { all = before }()
	if New(`(`); len(Wrong()) != 1 {
		t.Error("a wrong pattern is not told")
	}
}
