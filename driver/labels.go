package driver

import (
	"maps"
	"strings"
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
	// labelProject and labelProtected say in words what a scope is made of; the
	// job container has the first for status.
	labelProject   = labelPrefix + "project"
	labelProtected = labelPrefix + "protected"
	// labelInstance is the host of the GitLab of what is cached.
	labelInstance = labelPrefix + "instance"
	// labelLayers is a sidecar's plan.LayersState. A job container has it where its
	// sidecar may have a cached data root.
	labelLayers = labelPrefix + "layers"
	// labelData is on a sidecar: the cached data root that it has, which carries no
	// label of the sandbox.
	labelData = labelPrefix + "data"
	// labelOf names the volume that a mark is about.
	labelOf = labelPrefix + "of"
	// labelMirror is on a sidecar: the mirror that it uses.
	labelMirror = labelPrefix + "mirror"
	// labelSeed is on seeds and their marks: the id of the wish.
	labelSeed = labelPrefix + "seed"
	// labelMaker is on a cached data root: the sandbox in which it was made.
	labelMaker = labelPrefix + "maker"
	// labelState is on a mark that says what a cached data root is, a dataState.
	labelState = labelPrefix + "state"
	// labelFiles is on a sidecar: the directories that hold its files.
	labelFiles = labelPrefix + "files"
	// labelImage is what a container's image is called; it was made of its id.
	labelImage = labelPrefix + "image"
	// labelRegistry is the registry, or the repository there, that said nothing.
	labelRegistry = labelPrefix + "registry"
	// labelRemote is the URL of the registry behind a mirror.
	labelRemote = labelPrefix + "remote"
	// labelReason is on the mark of a stuck volume: why it resists.
	labelReason = labelPrefix + "reason"
)

// noJob is in the place of a job's key where a sandbox was taken to remove it.
const noJob = "-"

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

// called adds what a container's image is called.
func called(labels map[string]string, ref plan.ImageRef) map[string]string {
	l := maps.Clone(labels)
	if l == nil {
		l = map[string]string{}
	}
	l[labelImage] = ref.Name
	return l
}

// calledImage is what a container's image is called, for people. Those that an
// earlier version has made were made of the name itself.
func calledImage(labels map[string]string, image string) string {
	if name := labels[labelImage]; name != "" {
		return name
	}
	return image
}

// cachedLabels are for the cache and the data roots of a scope. They outlive
// sandboxes, so they have the label of none: cleanup and sweep never see them.
func cachedLabels(c plan.Claim, role plan.Role) map[string]string {
	l := common(role)
	l[labelScope] = c.Scope
	l[labelProject] = c.Project
	l[labelProtected] = c.Protection.Label()
	l[labelInstance] = c.Instance
	return l
}

// markLabels are for the mark of a cached volume.
func markLabels(scope, of string) map[string]string {
	l := common(plan.RoleMark)
	l[labelScope] = scope
	l[labelOf] = of
	return l
}

// dataState is what a mark says of a cached data root. One without a mark has been
// a job's, and nobody may have it before it is cleared.
type dataState string

const (
	// dataClean holds nothing but what the next daemon needs.
	dataClean dataState = "clean"
	// dataDamaged serves nobody, and is removed.
	dataDamaged dataState = "damaged"
)

// stateLabels are for the mark that says the state of a cached data root.
func stateLabels(scope, of string, state dataState) map[string]string {
	l := markLabels(scope, of)
	l[labelState] = string(state)
	return l
}

// dataLabels are for a cached data root that a sandbox may make.
func dataLabels(c plan.Claim, sandbox string) map[string]string {
	l := cachedLabels(c, plan.RoleData)
	l[labelMaker] = sandbox
	return l
}

// sandboxLabels are for what does not depend on the job.
func sandboxLabels(p *plan.Plan, role plan.Role) map[string]string {
	l := labels(p.Sandbox, role)
	l[labelSpec] = p.Spec
	return l
}

// sidecarLabels are the sidecar's.
func sidecarLabels(p *plan.Plan) map[string]string {
	l := sandboxLabels(p, plan.RoleSidecar)
	if m := p.Sidecar.Mirror; m != nil {
		l[labelMirror] = m.ID
	}
	files := []string{p.Sidecar.ConfigDir()}
	if p.Sidecar.TLS != nil {
		files = append(files, certDir+"/ca", certDir+"/server")
	}
	l[labelFiles] = strings.Join(files, " ")
	return l
}

// mirrorLabels are for the mirror and its storage. It outlives sandboxes, so
// it has the label of none.
func mirrorLabels(m plan.Mirror) map[string]string {
	l := common(plan.RoleMirror)
	l[labelRemote] = m.Remote
	l[labelSpec] = m.Name
	return l
}

// seedLabels are for seeds, whose kind the spec is. They outlive sandboxes.
func seedLabels(role plan.Role, kind, wish string) map[string]string {
	l := common(role)
	l[labelSpec] = kind
	l[labelSeed] = wish
	return l
}

// stuckLabels are for the mark of a volume that resists its removal. It outlives
// sandboxes, so it has the label of none.
func stuckLabels(of, reason string) map[string]string {
	l := common(plan.RoleStuck)
	l[labelOf] = of
	l[labelReason] = reason
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
	l[labelProject] = p.Claim.Project
	if p.Sidecar.Layers {
		l[labelLayers] = "project" // cleanup sees by it that layers are to be cleared
	}
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

// heldLabels are for the volume by which a failed job's sandbox is held until
// then: its own labels never change, so this says it.
func heldLabels(sandbox, job string, until time.Time) map[string]string {
	l := labels(sandbox, plan.RoleHeld)
	l[labelJob] = job
	l[labelDeadline] = until.UTC().Format(time.RFC3339)
	return l
}

func labelled(keyOrPair ...string) filters.Args {
	f := filters.NewArgs()
	for _, l := range keyOrPair {
		f.Add("label", l)
	}
	return f
}
