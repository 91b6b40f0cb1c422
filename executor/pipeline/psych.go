package pipeline

import (
	"math/big"
	"strings"

	"gitlab-dind-executor/pattern"
)

// scalarType is a scalar's type by Ruby's Psych, GitLab's reader of YAML. Psych reads YAML
// 1.1, with rules of its own.
type scalarType int

const (
	isString scalarType = iota
	isSymbol
	isInteger
	isFloat
	isBoolean
	isNil
	// GitLab refuses a file with isDate or isTime.
	isDate
	isTime
)

// String names the type in words.
func (t scalarType) String() string {
	return []string{"text", "a symbol", "a whole number", "a number with a point", "true or false", "nothing", "a date", "a time"}[t]
}

var (
	// psychString tells text by its first letters, apart from a few short words.
	psychString = pattern.New(`^[^\d.:-]?[\p{L}_\s!@#$%^&*(){}<>|/\\~;=]+`)
	psychTime   = pattern.New(`^-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?$`)
	psychDate   = pattern.New(`^\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)$`)
	psychNoReal = pattern.New(`(?i)^(?:[-+]?\.inf|\.nan)$`)
	// psychQuoted is a symbol in quotes. The first pair of quotes counts.
	psychQuoted = pattern.New(`^:(?:"(.*)"|'(.*)')`)
	psychSixty  = pattern.New(`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}$`)
	psychSixtyF = pattern.New(`^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}\.[0-9_]*$`)
	psychFloat  = pattern.New(`^[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][-+][0-9]+)?$`)
	psychBase2  = pattern.New(`^[-+]?0b[_,]*[01][01_,]*$`)
	psychBase8  = pattern.New(`^[-+]?0[_,]*[0-7][0-7_,]*$`)
	psychBase10 = pattern.New(`^[-+]?(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)$`)
	psychBase16 = pattern.New(`^[-+]?0x[_,]*[0-9a-fA-F][0-9a-fA-F_,]*$`)
)

// longestConstant bounds words for true, false or nothing, in letters.
const longestConstant = 5

// unquoted returns the type of a scalar without quotes, and its text as Ruby prints it. The
// text of a float stays unchanged.
func unquoted(s string) (scalarType, string) {
	switch {
	case s == "":
		return isNil, ""
	case strings.Contains(s, "\n"), psychString.MatchString(s):
		return constant(s)
	case psychTime.MatchString(s):
		return isTime, s
	case psychDate.MatchString(s):
		return isDate, s
	case psychNoReal.MatchString(s):
		return isFloat, s
	case len(s) > 1 && s[0] == ':':
		return isSymbol, symbol(s)
	case psychSixty.MatchString(s):
		return isInteger, sixties(s)
	case psychSixtyF.MatchString(s):
		return isFloat, s
	case psychFloat.MatchString(s):
		if strings.Trim(s, "+-") == "." {
			return isString, s
		}
		return isFloat, s
	}
	for _, b := range []struct {
		digits *pattern.Pattern
		base   int
	}{{psychBase2, 2}, {psychBase8, 8}, {psychBase10, 10}, {psychBase16, 16}} {
		if b.digits.MatchString(s) {
			return isInteger, integer(s, b.base)
		}
	}
	return isString, s
}

// constant tells the words of YAML from text.
func constant(s string) (scalarType, string) {
	if len([]rune(s)) > longestConstant {
		return isString, s
	}
	switch strings.ToLower(s) {
	case "~", "null":
		return isNil, ""
	case "yes", "true", "on":
		return isBoolean, "true"
	case "no", "false", "off":
		return isBoolean, "false"
	}
	return isString, s
}

// symbol returns the text of a symbol.
func symbol(s string) string {
	if m := psychQuoted.FindStringSubmatch(s); m != nil {
		return strings.TrimPrefix(m[1]+m[2], ":")
	}
	return strings.TrimPrefix(s, ":")
}

// sixties converts a number such as 12:30 to base 10. Psych always takes the first part for
// hours.
func sixties(s string) string {
	sum := new(big.Int)
	for i, part := range strings.Split(s, ":") {
		n, _ := new(big.Int).SetString(strings.ReplaceAll(part, "_", ""), 10)
		if n == nil {
			n = new(big.Int)
		}
		for range 2 - i {
			n.Mul(n, big.NewInt(60))
		}
		sum.Add(sum, n)
	}
	return sum.String()
}

// integer converts a whole number to base 10.
func integer(s string, base int) string {
	digits := strings.NewReplacer("_", "", ",", "", "0b", "", "0x", "").Replace(s)
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return s
	}
	return n.String()
}
