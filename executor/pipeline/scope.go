package pipeline

import (
	"maps"
	"slices"
	"strings"
)

// scope holds the variables for conditions. A missing variable is unset, unless GitLab
// alone knows it.
type scope map[string]string

// scopeOf makes a scope of lists of variables. Later lists win.
func (r *reader) scopeOf(more ...[]Variable) scope {
	s := maps.Clone(r.predefined())
	for _, some := range append(more, r.input.Given) {
		for _, v := range some {
			s[v.Key] = v.Value
		}
	}
	return s
}

func (s scope) value(name string) value {
	text, set := s[name]
	switch {
	case set:
		return textOf(text)
	case name == "CI_COMMIT_BRANCH" && s["CI_COMMIT_TAG"] != "":
		return value{} // a tag's pipeline has none
	case ofGitLab(name):
		return value{kind: isUnknown}
	default:
		return value{}
	}
}

// strict is like value, but variables that a project on GitLab may set are unknown.
func (s scope) strict(name string) value {
	if text, set := s[name]; set {
		return textOf(text)
	}
	if unsetInPushes(name) {
		return value{}
	}
	return value{kind: isUnknown}
}

// ofGitLab tells a variable whose value GitLab alone knows.
func ofGitLab(name string) bool {
	return (strings.HasPrefix(name, "CI_") || strings.HasPrefix(name, "GITLAB_") || name == "KUBECONFIG") && !unsetInPushes(name)
}

// unset are predefined variables without a value for the rules of a push to a branch. They
// belong to other pipelines, or come from a job or its runner. A name with _ at its end
// stands for all names with this prefix. No merge request is open for the branch.
var unset = []string{
	"CHAT_", "CI_BUILD_NETWORK_NAME", "CI_BUILDS_DIR", "CI_COMMIT_TAG", "CI_COMMIT_TAG_MESSAGE", "CI_CONCURRENT_", "CI_DEBUG_", "CI_DISPOSABLE_ENVIRONMENT", "CI_EXTERNAL_PULL_REQUEST_",
	"CI_JOB_ID", "CI_JOB_IMAGE", "CI_JOB_STARTED_AT", "CI_JOB_STATUS", "CI_JOB_TIMEOUT", "CI_JOB_TOKEN", "CI_JOB_URL",
	"CI_MERGE_REQUEST_", "CI_NODE_INDEX", "CI_OPEN_MERGE_REQUESTS", "CI_PIPELINE_SCHEDULE_DESCRIPTION", "CI_PIPELINE_TRIGGERED",
	"CI_PROJECT_DIR", "CI_RELEASE_DESCRIPTION", "CI_RUNNER_", "CI_SHARED_ENVIRONMENT", "CI_TRIGGER_SHORT_TOKEN", "CI_UPSTREAM_",
	"GITLAB_ENV", "TRIGGER_PAYLOAD",
}

func unsetInPushes(name string) bool {
	return slices.ContainsFunc(unset, func(u string) bool {
		return name == u || strings.HasSuffix(u, "_") && strings.HasPrefix(name, u)
	})
}

// expand replaces variables in a text by their values, up to ten levels deep. Unset
// variables stay. unknown lists variables known to GitLab alone.
func (s scope) expand(text string) (out string, unknown []string) {
	for range 10 {
		if out, unknown, _ = s.expandOnce(text); out == text || len(out) > maxExpanded {
			break
		}
		text = out
	}
	return out, unknown
}

// expandOnce is expand for the text's own variables alone. whole is false where their
// values are too long.
func (s scope) expandOnce(text string) (out string, unknown []string, whole bool) {
	out, whole = ReplaceNamed(text, maxExpanded, func(_, key string) (string, bool) {
		value, set := s[key]
		if !set && ofGitLab(key) {
			unknown = append(unknown, key)
		}
		return value, set
	})
	return out, unknown, whole
}

// maxExpanded bounds the values of variables in a text, in bytes.
const maxExpanded = 64 << 10
