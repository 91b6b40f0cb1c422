package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/docker/docker/api/types/filters"

	"gitlab-dind-executor/driver/plan"
)

// The keys of the labels that everything of ours carries from its creation on.
// Labels never change afterwards.
const (
	labelPrefix   = "gitlab-dind-executor."
	labelSandbox  = labelPrefix + "sandbox"
	labelRole     = labelPrefix + "role"
	labelCreated  = labelPrefix + "created"
	labelVersion  = labelPrefix + "version"
	labelSpec     = labelPrefix + "spec"
	labelJob      = labelPrefix + "job"
	labelOwner    = labelPrefix + "owner"
	labelDeadline = labelPrefix + "deadline"
	labelScope    = labelPrefix + "scope"
	labelDirect   = labelPrefix + "direct"
	// labelBooting is on a job container whose prepare has not waited for the
	// inner daemon.
	labelBooting = labelPrefix + "booting"
)

// common are what everything of ours carries.
func common(role plan.Role) map[string]string {
	return map[string]string{
		labelRole:    string(role),
		labelCreated: time.Now().UTC().Format(time.RFC3339),
		labelVersion: Version,
	}
}

// labels are what every object of a sandbox carries.
func labels(sandbox string, role plan.Role) map[string]string {
	l := common(role)
	l[labelSandbox] = sandbox
	return l
}

// cacheLabels are for the cache of a scope. It outlives sandboxes, so it has
// the label of none: cleanup and sweep never see it.
func cacheLabels(scope string) map[string]string {
	l := common(plan.RoleCache)
	l[labelScope] = scope
	return l
}

// sandboxLabels are for what does not depend on the job.
func sandboxLabels(p *plan.Plan, role plan.Role) map[string]string {
	l := labels(p.Sandbox, role)
	l[labelSpec] = p.Spec
	return l
}

// claimLabels are for what belongs to one job.
func claimLabels(p *plan.Plan, role plan.Role) map[string]string {
	l := labels(p.Sandbox, role)
	maps.Copy(l, claim(p.Claim))
	return l
}

// aheadLabels are for a sandbox that waits for a job: the deadline is when none
// may take it any more.
func aheadLabels(until time.Time) map[string]string {
	return map[string]string{labelDeadline: until.UTC().Format(time.RFC3339)}
}

// jobLabels are the job container's. By the spec a look for sandboxes of a kind
// sees which are taken.
func jobLabels(p *plan.Plan) map[string]string {
	l := claimLabels(p, plan.RoleJob)
	l[labelSpec] = p.Spec
	if p.Job.Direct != "" {
		l[labelDirect] = p.Job.Direct
	}
	return l
}

func claim(c plan.Claim) map[string]string {
	return map[string]string{
		labelJob:      c.Job,
		labelOwner:    c.Owner,
		labelDeadline: c.Deadline.Format(time.RFC3339),
	}
}

// networkName is the anchor's.
func networkName(sandbox string) string { return "dind-" + sandbox }

// objectName names a sandbox's container or volume. The job container's name
// is what a claim creates.
func objectName(sandbox string, role plan.Role) string {
	return "dind-" + sandbox + "-" + string(role)
}

// serviceName names service number i.
func serviceName(sandbox string, i int) string {
	return fmt.Sprintf("%s-%d", objectName(sandbox, plan.RoleService), i)
}

// cacheHelperName names the helper that a claim adds for the job's cache.
func cacheHelperName(sandbox string) string {
	return objectName(sandbox, plan.RoleHelper) + "-cache"
}

// cacheName names the cache of a scope.
func cacheName(scope string) string {
	sum := sha256.Sum256([]byte(scope))
	return "dind-cache-" + hex.EncodeToString(sum[:6])
}

func labelled(keyOrPair ...string) filters.Args {
	f := filters.NewArgs()
	for _, l := range keyOrPair {
		f.Add("label", l)
	}
	return f
}
