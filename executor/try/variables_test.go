package try

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
)

func TestVariablesAreExpandedAmongEachOther(t *testing.T) {
	doubling := []local.Variable{{Key: "A0", Value: "xy"}}
	for i := range 40 {
		doubling = append(doubling, local.Variable{Key: fmt.Sprintf("A%d", i+1), Value: fmt.Sprintf("$A%d$A%d", i, i)})
	}
	for name, c := range map[string]struct {
		vars []local.Variable
		want string // those that change
	}{
		"nested": {[]local.Variable{
			{Key: "C", Value: "first"},
			{Key: "A", Value: "$B/x"},
			{Key: "B", Value: "${C}/y"},
			{Key: "C", Value: "z"},
			{Key: "W", Value: "%C%"},
		}, "A=z/y/x B=z/y W=z"},
		"what the Runner replaces": {[]local.Variable{
			{Key: "C", Value: "z"},
			{Key: "R", Value: "$C", Raw: true},
			{Key: "F", Value: "$C", File: true},
			{Key: "D", Value: "$R-$F"},
			{Key: "U", Value: "$NONE"},
			{Key: "E", Value: "$$C %%C%%"},
			{Key: "S", Value: "$S/bin"},
		}, ""},
		"a circle": {[]local.Variable{
			{Key: "A", Value: "$B"},
			{Key: "B", Value: "$C"},
			{Key: "C", Value: "$A"},
			{Key: "D", Value: "x"},
			{Key: "E", Value: "$D"},
		}, ""},
		"a chain that doubles": {doubling, ""},
		"a value that repeats": {[]local.Variable{
			{Key: "A", Value: strings.Repeat("a", 1<<19)},
			{Key: "B", Value: strings.Repeat("$A", 1<<16)},
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(c.vars)
			got := expandNested(c.vars)
			var changed []string
			for i, v := range got {
				if v.Value != before[i].Value {
					changed = append(changed, v.Key+"="+v.Value)
				}
			}
			if text := strings.Join(changed, " "); text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
			if !slices.Equal(c.vars, before) {
				t.Error("the variables that were given are others now")
			}
		})
	}
}

func TestAJobGetsNestedVariables(t *testing.T) {
	r := &run{
		facts: facts{repository: forge.Repository{Top: "/app"}, sha: strings.Repeat("ab", 20)},
		given: []pipeline.Variable{{Key: "CI_REGISTRY_IMAGE", Value: "registry.example.com/app", Raw: true}},
	}
	var p local.Payload
	r.addVariables(&p, pipeline.Job{Variables: []pipeline.Variable{
		{Key: "IMAGE", Value: "$CI_REGISTRY_IMAGE/app"},
		{Key: "TAG", Value: "$IMAGE:$CI_COMMIT_SHORT_SHA"},
	}})
	got := map[string]string{}
	for _, v := range p.Variables {
		got[v.Key] = v.Value
	}
	for key, want := range map[string]string{
		"IMAGE": "$CI_REGISTRY_IMAGE/app", "TAG": "$CI_REGISTRY_IMAGE/app:abababab", // the Runner does the rest
		"CI_REGISTRY_IMAGE": "registry.example.com/app", "CI_COMMIT_SHORT_SHA": "abababab",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

func TestATextWithVariablesIsBounded(t *testing.T) {
	vars := []local.Variable{{Key: "A", Value: strings.Repeat("a", 1<<19), Raw: true}, {Key: "B", Value: strings.Repeat("$A", 100)}}
	if out := expandAll(strings.Repeat("$B", 100), vars); len(out) > 2*maxExpanded {
		t.Errorf("it is %d bytes", len(out))
	}
}
