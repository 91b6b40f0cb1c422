package plan

import (
	"fmt"
	"strings"

	"gitlab-dind-executor/config"
)

// Protection is what GitLab says of the ref that a job runs on. The zero value is
// that it says nothing, as before GitLab 18.3: then the job is trusted with
// neither what protected refs keep nor what others keep.
type Protection string

// What GitLab may say.
const (
	ProtectionUnknown Protection = ""
	Unprotected       Protection = "unprotected"
	Protected         Protection = "protected"
)

// ProtectionOf is what the payload's field says; nil is none.
func ProtectionOf(protected *bool) Protection {
	switch {
	case protected == nil:
		return ProtectionUnknown
	case *protected:
		return Protected
	}
	return Unprotected
}

// Label is the value of a label, and ProtectionLabelled reads it.
func (p Protection) Label() string {
	switch p {
	case Protected:
		return "true"
	case Unprotected:
		return "false"
	}
	return "unknown"
}

// ProtectionLabelled reads what Label wrote, in any version.
func ProtectionLabelled(value string) Protection {
	switch value {
	case "true":
		return Protected
	case "false":
		return Unprotected
	}
	return ProtectionUnknown
}

// String is for people.
func (p Protection) String() string {
	if p == ProtectionUnknown {
		return "unknown"
	}
	return string(p)
}

// Shares tells whether a later job may have what this one leaves: its scope is
// known, and a later job can have it.
func (j Job) Shares() bool { return j.Lasting && j.Protection != ProtectionUnknown }

// inherits is the scope whose layers a job may have a copy of besides its own. Nobody
// ever gets those of refs that are less protected.
func inherits(s config.Settings, job Job) string {
	if s.Cache.Layers != config.LayersInherit || !job.Shares() {
		return ""
	}
	return job.Inherits
}

// instance is the name of the job's GitLab for people; "" if it has none.
func (j Job) instance() string {
	if len(j.Instances) == 0 {
		return ""
	}
	return j.Instances[0]
}

// sinceProtection is what an admin can do. The Runner writes a job's payload anew
// with the fields that it knows, so an old one leaves this out.
const sinceProtection = "GitLab tells it from 18.3 on, and GitLab Runner hands it on from 18.4 on: upgrade them"

// unprotectable are the warnings of a job whose GitLab does not tell whether its
// ref is protected: what that costs it, under the settings that hold for it.
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

// Skipped names the policies that would be for a job if GitLab told whether its
// ref is protected, up to the one that is for it.
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
