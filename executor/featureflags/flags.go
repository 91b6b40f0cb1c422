package featureflags

import (
	"slices"
	"strconv"
)

// Answer says how this program treats a flag.
type Answer string

// The answers.
const (
	// ByRunner is for flags that the Runner and its scripts heed, whatever the
	// executor.
	ByRunner Answer = "by the Runner"
	// Honoured is for flags that this program heeds.
	Honoured Answer = "honoured"
	// Always is for flags whose effect holds without them.
	Always Answer = "always so"
	// Foreign is for flags that mean nothing to the docker executor either.
	Foreign Answer = "nothing"
	// Lacking is for flags that the docker executor heeds, and this program cannot.
	Lacking Answer = "not here"
)

// Flag is one feature flag.
type Flag struct {
	Name    string
	Default bool
	Answer  Answer
	// Text says how, or why not.
	Text string
}

// All returns the known flags, in the order of their names.
func All() []Flag { return slices.Clone(all) }

// Known finds a flag by its name.
func Known(name string) (Flag, bool) {
	i := slices.IndexFunc(all, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return all[i], true
}

// On tells whether a flag is on for a job. variable returns a variable of the job. From
// 18.4 on, the Runner puts the flags of [runners.feature_flags] among the variables. An
// invalid value counts as the default, as in the Runner.
func On(name string, variable func(key string) string) bool {
	f, _ := Known(name)
	on, err := strconv.ParseBool(variable(name))
	if err != nil {
		return f.Default
	}
	return on
}

// Missed returns the flags set by a job that would change something with the docker
// executor alone.
func Missed(variable func(key string) string) []Flag {
	var missed []Flag
	for _, f := range all {
		if f.Answer == Lacking && On(f.Name, variable) != f.Default {
			missed = append(missed, f)
		}
	}
	return missed
}
