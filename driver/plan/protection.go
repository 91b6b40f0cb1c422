package plan

import (
	"fmt"
	"strings"

	"gitlab-dind-executor/config"
)

// Protection is GitLab's statement about the ref of a job. The zero value means no
// statement, as before GitLab 18.3. Such a job gets neither the caches of protected refs
// nor those of other refs.
type Protection string

// The possible statements.
const (
	ProtectionUnknown Protection = ""
	Unprotected       Protection = "unprotected"
	Protected         Protection = "protected"
)

// ProtectionOf returns the statement of the payload's field; nil means none.
func ProtectionOf(protected *bool) Protection {
	switch {
	case protected == nil:
		return ProtectionUnknown
	case *protected:
		return Protected
	}
	return Unprotected
}

// Label returns the statement as a label's value. ProtectionLabelled is the inverse.
func (p Protection) Label() string {
	switch p {
	case Protected:
		return "true"
	case Unprotected:
		return "false"
	}
	return "unknown"
}

// ProtectionLabelled parses the value of Label, from any version of this program.
func ProtectionLabelled(value string) Protection {
	switch value {
	case "true":
		return Protected
	case "false":
		return Unprotected
	}
	return ProtectionUnknown
}

// String returns the statement for people.
func (p Protection) String() string {
	if p == ProtectionUnknown {
		return "unknown"
	}
	return string(p)
}

// Shares tells whether later jobs may have this job's caches and layers. The scope must be
// known, and a later job must be able to have the same scope.
func (j Job) Shares() bool { return j.Lasting && j.Protection != ProtectionUnknown }

// inherits returns the scope whose layers a job may copy besides its own. Layers of less
// protected refs are never copied.
func inherits(s config.Settings, job Job) string {
	if s.Cache.Layers != config.LayersInherit || !job.Shares() {
		return ""
	}
	return job.Inherits
}

// instance returns the name of the job's GitLab for people; "" if unknown.
func (j Job) instance() string {
	if len(j.Instances) == 0 {
		return ""
	}
	return j.Instances[0]
}

// sinceProtection is a hint for the admin. The Runner writes a job's payload anew from the
// fields that it knows, so an old Runner drops the field.
const sinceProtection = "GitLab tells it from 18.3 on, and GitLab Runner hands it on from 18.4 on: upgrade them"

// unprotectable returns the warnings of a job whose GitLab does not say whether its ref is
// protected. They name the policies, caches and layers that the job does not get.
func unprotectable(all, s config.Settings, job Job) []string {
	if job.Protection != ProtectionUnknown {
		return nil
	}
	var warnings []string
	if job.Lasting && (s.Cache.Volume || len(s.Cache.Paths) > 0 || s.Cache.Layers != config.LayersOff) {
		warnings = append(warnings, "it is not known whether the ref is protected, so no later job gets the layers or caches of this one; "+sinceProtection)
	}
	if skipped := Skipped(all, job); len(skipped) > 0 {
		warnings = append(warnings, fmt.Sprintf("skipped, since it is not known whether the ref is protected: %s; %s", strings.Join(skipped, ", "), sinceProtection))
	}
	return warnings
}

// Skipped names the policies that a job misses because GitLab does not say whether its ref
// is protected. The list ends at the policy that holds for the job.
func Skipped(s config.Settings, job Job) (names []string) {
	for i, p := range s.Policies {
		if _, ok := matches(p, job); ok {
			break
		}
		anyRef := p
		anyRef.Protected = nil
		if _, ok := matches(anyRef, job); ok && p.Protected != nil && job.Protection == ProtectionUnknown {
			names = append(names, policyName(i, p))
		}
	}
	return names
}
