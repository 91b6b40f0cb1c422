package config

import "testing"

// Parse reads or refuses any file, and never panics.
func FuzzParseNeverPanics(f *testing.F) {
	f.Add(DefaultFile)
	for _, seed := range []string{
		"", "x", "[", "[a]\n[a]", "a.b = 1\na = 2", "sidecar = 1", "sidecar = []", "[[sidecar]]", "registry = 1",
		"registry.x = 1", "[registry.'']\nca_file=''", "[network]\npool = '0.0.0.0/0'\nsubnet_bits = -1",
		"[network]\npool = '::/0'\ninner_pools = ['10.0.0.0/33']", "[sidecar]\nimage = '" + string(make([]byte, 300)) + "'",
		"[job]\nstart_early = ['[', '{', '\\\\']", "\xff\xfe", "[pull]\ntimeout = 9223372036854775808",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Parse("dind.toml", src)
		if err == nil && s.Digest() == "" {
			t.Error("no digest")
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		p, partlyErr := partly("dind.toml", src)
		if partlyErr == nil && (len(p.Faults) > 0) != (err != nil) {
			t.Errorf("the faults are %v, the error is %v", p.Faults, err)
		}
		for _, left := range validate(p.Settings) {
			if partlyErr == nil && p.Broken(left.key) == "" {
				t.Errorf("%s is at fault and counts as sound", left.key)
			}
		}
	})
}
