package blame

import (
	"slices"
	"strings"

	"gitlab-dind-executor/driver/plan"
)

// setFlag is a flag of dockerd, as written.
type setFlag struct{ name, value string }

// flagsIn are the flags among words. The word behind a flag without a value may be taken for its
// value.
func flagsIn(words []string) []setFlag {
	var flags []setFlag
	for i, w := range words {
		w = strings.Trim(w, `"'`)
		if !strings.HasPrefix(w, "-") || len(w) < 2 {
			continue
		}
		f := setFlag{name: w}
		if name, value, joined := strings.Cut(w, "="); joined {
			f = setFlag{name, value}
		} else if short, value := plan.ShortFlag(w); short != "" {
			f = setFlag{short, value}
		} else if i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
			f.value = words[i+1]
		}
		f.value = strings.Trim(f.value, `"'`)
		flags = append(flags, f)
	}
	return flags
}

// sets tells whether the flag is for a key of daemon.json. The key has the plural if the flag may
// be given several times.
func (f setFlag) sets(key string) bool {
	name := strings.TrimLeft(f.name, "-")
	return name == key || name+"s" == key || strings.TrimSuffix(name, "y")+"ies" == key || plan.KeySetBy(f.name) == key
}

// oneWord are flags whose names mean nothing else in a complaint of dockerd.
var oneWord = []string{"ipv6", "bip", "bip6", "mtu", "icc"}

// commonWords are values that may occur in a complaint about something else.
var commonWords = []string{
	"bridge", "builtin", "cgroup", "container", "containers", "daemon", "default", "docker", "dockerd", "driver", "error", "failed", "false",
	"host", "http", "https", "network", "none", "private", "root", "shareable", "start", "tcp", "true", "unconfined", "unix",
}

// namedIn tells whether words of dockerd are about the flag, by its name or its value.
func (f setFlag) namedIn(said string) bool {
	if strings.HasPrefix(f.name, "--") && bounded(said, f.name) {
		return true
	}
	lower, bare := strings.ToLower(said), strings.TrimLeft(f.name, "-")
	if slices.Contains(oneWord, bare) && bounded(lower, bare) {
		return true
	}
	if strings.Contains(bare, "-") && (bounded(lower, bare) || bounded(lower, strings.ReplaceAll(bare, "-", " "))) {
		return true
	}
	values := append(strings.FieldsFunc(f.value, func(r rune) bool { return r == '=' || r == ',' || r == ':' }), f.value)
	return slices.ContainsFunc(values, func(v string) bool {
		return len(v) >= 3 && !digits(v) && !plan.UsualDriver(v) && !slices.Contains(commonWords, v) && bounded(said, v)
	})
}

func digits(text string) bool { return strings.Trim(text, "0123456789") == "" }

// bounded tells whether text has part as a word of its own.
func bounded(text, part string) bool {
	for rest := text; ; {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		before, after := rest[:i], rest[i+len(part):]
		if (before == "" || !wordByte(before[len(before)-1], true)) && (after == "" || !wordByte(after[0], false)) {
			return true
		}
		rest = after
	}
}

func wordByte(b byte, before bool) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-' || b == '/' || before && b == '.'
}
