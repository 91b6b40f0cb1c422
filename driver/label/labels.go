package label

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/driver/plan"
)

// Version is this program's own. It is set when a release is built.
var Version = "dev"

// The keys of the labels that everything of ours carries from its creation on.
// Labels never change afterwards.
const (
	prefix   = "gitlab-dind-executor."
	Sandbox  = prefix + "sandbox"
	Role     = prefix + "role"
	Created  = prefix + "created"
	MadeBy   = prefix + "version"
	Spec     = prefix + "spec"
	Job      = prefix + "job"
	Owner    = prefix + "owner"
	Deadline = prefix + "deadline"
	Scope    = prefix + "scope"
	Direct   = prefix + "direct"
	// Booting is on a job container whose prepare has not waited for the
	// inner daemon.
	Booting = prefix + "booting"
	// Queues is on a sidecar whose daemon takes its port soon before it answers. Who
	// connects meanwhile is queued.
	Queues = prefix + "queues"
	// Project and Protected say in words what a scope is made of; the
	// job container has the first for status.
	Project   = prefix + "project"
	Protected = prefix + "protected"
	// Instance is the host of the GitLab of what is cached.
	Instance = prefix + "instance"
	// Layers is a sidecar's plan.LayersState. A job container has it where its
	// sidecar may have a cached data root.
	Layers = prefix + "layers"
	// Data is on a sidecar: the cached data root that it has, which carries no
	// label of the sandbox.
	Data = prefix + "data"
	// Bare is on a bare sandbox's network, and on the container that has the sidecar's
	// place there: what a job's plan must share with it. Subnet is on that container.
	Bare   = prefix + "bare"
	Subnet = prefix + "subnet"
	// Path is on the cache for one of cache.paths: that path.
	Path = prefix + "path"
	// Of names the volume that a mark is about.
	Of = prefix + "of"
	// Mirror is on a sidecar: the mirror that it uses.
	Mirror = prefix + "mirror"
	// Seed is on seeds and their marks: the id of the wish.
	Seed = prefix + "seed"
	// Maker is on a cached data root: the sandbox in which it was made.
	Maker = prefix + "maker"
	// State is on a mark that says what a cached data root is, a DataState.
	State = prefix + "state"
	// DataSize is on a sidecar whose data root is no volume: how many bytes that may
	// have.
	DataSize = prefix + "data-size"
	// Files is on a sidecar: the directories that hold its files.
	Files = prefix + "files"
	// Image is what a container's image is called; it was made of its id.
	Image = prefix + "image"
	// Registry is the registry, or the repository there, that said nothing.
	Registry = prefix + "registry"
	// Remote is the URL of the registry behind a mirror.
	Remote = prefix + "remote"
	// Installation is on all that one of several installations on an engine has made.
	Installation = prefix + "installation"
	// Reason is on the mark of a stuck volume: why it resists.
	Reason = prefix + "reason"
)

// IsOurs tells whether a label's key is one of ours.
func IsOurs(key string) bool { return strings.HasPrefix(key, prefix) }

// NoJob is in the place of a job's key where a sandbox was taken to remove it.
const NoJob = "-"

// Common are what everything of ours carries.
func Common(role plan.Role) map[string]string {
	return map[string]string{
		Role:    string(role),
		Created: time.Now().UTC().Format(time.RFC3339),
		MadeBy:  Version,
	}
}

// InSandbox are what every object of a sandbox carries.
func InSandbox(sandbox string, role plan.Role) map[string]string {
	l := Common(role)
	l[Sandbox] = sandbox
	return l
}

// Called adds what a container's image is called.
func Called(labels map[string]string, ref plan.ImageRef) map[string]string {
	l := maps.Clone(labels)
	if l == nil {
		l = map[string]string{}
	}
	l[Image] = ref.Name
	return l
}

// Besides adds labels that are not ours. Whatever they are called, ours stay.
func Besides(labels, more map[string]string) map[string]string {
	all := maps.Clone(more)
	if all == nil {
		return labels
	}
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(strings.ToLower(name), prefix) })
	maps.Copy(all, labels)
	return all
}

// ImageName is what a container's image is called, for people. Those that an
// earlier version has made were made of the name itself.
func ImageName(labels map[string]string, image string) string {
	if name := labels[Image]; name != "" {
		return name
	}
	return image
}

// ForCached are for the cache and the data roots of a scope. They outlive
// sandboxes, so they have the label of none: cleanup and sweep never see them.
func ForCached(c plan.Claim, role plan.Role) map[string]string {
	l := Common(role)
	l[Scope] = c.Scope
	l[Project] = c.Project
	l[Protected] = c.Protection.Label()
	l[Instance] = c.Instance
	return l
}

// ForPathCache are for the cache of a scope for one of cache.paths; "" is that for /cache.
func ForPathCache(c plan.Claim, path string) map[string]string {
	l := ForCached(c, plan.RoleCache)
	if path != "" {
		l[Path] = path
	}
	return l
}

// ForMark are for the mark of a cached volume.
func ForMark(scope, of string) map[string]string {
	l := Common(plan.RoleMark)
	l[Scope] = scope
	l[Of] = of
	return l
}

// DataState is what a mark says of a cached data root. One without a mark has been
// a job's, and nobody may have it before it is cleared.
type DataState string

const (
	// DataClean holds nothing but what the next daemon needs.
	DataClean DataState = "clean"
	// DataDamaged serves nobody, and is removed.
	DataDamaged DataState = "damaged"
)

// ForState are for the mark that says the state of a cached data root.
func ForState(scope, of string, state DataState) map[string]string {
	l := ForMark(scope, of)
	l[State] = string(state)
	return l
}

// ForData are for a cached data root that a sandbox may make.
func ForData(c plan.Claim, sandbox string) map[string]string {
	l := ForCached(c, plan.RoleData)
	l[Maker] = sandbox
	return l
}

// ForSandbox are for what does not depend on the job.
func ForSandbox(p *plan.Plan, role plan.Role) map[string]string {
	l := InSandbox(p.Sandbox, role)
	l[Spec] = p.Spec
	return l
}

// ForSidecar are the sidecar's.
func ForSidecar(p *plan.Plan) map[string]string {
	l := ForSandbox(p, plan.RoleSidecar)
	if m := p.Sidecar.Mirror; m != nil {
		l[Mirror] = m.ID
	}
	if size := p.Sidecar.DataSize; size > 0 {
		l[DataSize] = strconv.FormatInt(size, 10)
	}
	files := []string{p.Sidecar.ConfigDir()}
	if p.Sidecar.TLS != nil {
		files = append(files, plan.CertDir+"/ca", plan.CertDir+"/server")
	}
	l[Files] = strings.Join(files, " ")
	return l
}

// ForMirror are for the mirror and its storage. It outlives sandboxes, so
// it has the label of none.
func ForMirror(m plan.Mirror) map[string]string {
	l := Common(plan.RoleMirror)
	l[Remote] = m.Remote
	l[Spec] = m.Name
	return l
}

// ForSeed are for seeds, whose kind the spec is. They outlive sandboxes.
func ForSeed(role plan.Role, kind, wish string) map[string]string {
	l := Common(role)
	l[Spec] = kind
	l[Seed] = wish
	return l
}

// ForStuck are for the mark of a volume that resists its removal. It outlives
// sandboxes, so it has the label of none.
func ForStuck(of, reason string) map[string]string {
	l := Common(plan.RoleStuck)
	l[Of] = of
	l[Reason] = reason
	return l
}

// ForClaim are for what belongs to one job.
func ForClaim(p *plan.Plan, role plan.Role) map[string]string {
	l := InSandbox(p.Sandbox, role)
	maps.Copy(l, Claim(p.Claim))
	return l
}

// ForAhead are for a sandbox that waits for a job: the deadline is when none
// may take it any more.
func ForAhead(until time.Time) map[string]string {
	return map[string]string{Deadline: until.UTC().Format(time.RFC3339)}
}

// ForJob are the job container's. By the spec a look for sandboxes of a kind
// sees which are taken.
func ForJob(p *plan.Plan) map[string]string {
	l := ForClaim(p, plan.RoleJob)
	l[Spec] = p.Spec
	l[Project] = p.Claim.Project
	if p.Sidecar.Layers {
		l[Layers] = "project" // cleanup sees by it that layers are to be cleared
	}
	if p.Job.Direct != "" {
		l[Direct] = p.Job.Direct
	}
	return l
}

// Claim are the labels that say whose a sandbox is.
func Claim(c plan.Claim) map[string]string {
	return map[string]string{
		Job:      c.Job,
		Owner:    c.Owner,
		Deadline: c.Deadline.Format(time.RFC3339),
	}
}

// ForEnded are for the volume that says that a sandbox's job has ended.
func ForEnded(sandbox, job string) map[string]string {
	l := InSandbox(sandbox, plan.RoleEnded)
	l[Job] = job
	return l
}

// ForHeld are for the volume by which a failed job's sandbox is held until
// then: its own labels never change, so this says it.
func ForHeld(sandbox, job string, until time.Time) map[string]string {
	l := InSandbox(sandbox, plan.RoleHeld)
	l[Job] = job
	l[Deadline] = until.UTC().Format(time.RFC3339)
	return l
}
