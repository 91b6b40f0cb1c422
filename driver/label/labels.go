package label

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/driver/plan"
)

// Version is this program's version, set when a release is built.
var Version = "dev"

// Keys of labels. Every object of this program has labels from its creation on, and they never
// change.
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
	// Booting is on a job container whose prepare has not waited for the inner daemon.
	Booting = prefix + "booting"
	// Queues is on a sidecar whose daemon takes its port soon before it answers. Early
	// connections wait in a queue.
	Queues = prefix + "queues"
	// Project and Protected say in words what a scope is made of. The job container has Project,
	// for status.
	Project   = prefix + "project"
	Protected = prefix + "protected"
	// Instance is the host of the GitLab to which a cached volume belongs.
	Instance = prefix + "instance"
	// Layers is a sidecar's plan.LayersState. A job container has Layers if its sidecar may have
	// a cached data root.
	Layers = prefix + "layers"
	// Data is on a sidecar, and names its cached data root. The data root has no label of the
	// sandbox.
	Data = prefix + "data"
	// Bare is on a bare sandbox's network and on its seat. Its value is the kind: a hash of
	// everything that a job's plan must share with the sandbox. Subnet is on the seat.
	Bare   = prefix + "bare"
	Subnet = prefix + "subnet"
	// Path is on the cache for an entry of cache.paths, and is that entry.
	Path = prefix + "path"
	// Of is on a mark, and names the marked volume.
	Of = prefix + "of"
	// Mirror is on a sidecar, and names its mirror.
	Mirror = prefix + "mirror"
	// Seed is on seeds and their marks: the id of the wish.
	Seed = prefix + "seed"
	// Maker is on a cached data root, and names the sandbox that made it.
	Maker = prefix + "maker"
	// State is on a mark for the state of a cached data root, a DataState.
	State = prefix + "state"
	// DataSize is on a sidecar whose data root is no volume: the largest size of that data root
	// in bytes.
	DataSize = prefix + "data-size"
	// Files is on a sidecar: the directories that hold its files.
	Files = prefix + "files"
	// Image is the name of a container's image. The container itself is made of the image's id.
	Image = prefix + "image"
	// Registry is the registry, or the repository there, that did not answer.
	Registry = prefix + "registry"
	// Remote is the URL of the registry behind a mirror.
	Remote = prefix + "remote"
	// Installation is on all objects of an installation with a name.
	Installation = prefix + "installation"
	// Reason is on the mark of a stuck volume: why the volume resists.
	Reason = prefix + "reason"
	// URL, Ref and Stage are on what belongs to a job, for status: its page, its branch
	// or tag, and its stage in the pipeline. TimesOut is when its own time is over.
	// Older versions have none of them.
	URL      = prefix + "url"
	Ref      = prefix + "ref"
	Stage    = prefix + "stage"
	TimesOut = prefix + "times-out"
)

// IsOurs tells whether a label's key is one of ours.
func IsOurs(key string) bool { return strings.HasPrefix(key, prefix) }

// NoJob stands for a job's key on a sandbox that was claimed to be removed.
const NoJob = "-"

// Common are the labels of every object.
func Common(role plan.Role) map[string]string {
	return map[string]string{
		Role:    string(role),
		Created: time.Now().UTC().Format(time.RFC3339),
		MadeBy:  Version,
	}
}

// InSandbox are the labels of every object of a sandbox.
func InSandbox(sandbox string, role plan.Role) map[string]string {
	l := Common(role)
	l[Sandbox] = sandbox
	return l
}

// Called adds the name of a container's image.
func Called(labels map[string]string, ref plan.ImageRef) map[string]string {
	l := maps.Clone(labels)
	if l == nil {
		l = map[string]string{}
	}
	l[Image] = ref.Name
	return l
}

// Besides adds labels of somebody else. Names with our prefix are dropped, so ours stay.
func Besides(labels, more map[string]string) map[string]string {
	all := maps.Clone(more)
	if all == nil {
		return labels
	}
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasPrefix(strings.ToLower(name), prefix) })
	maps.Copy(all, labels)
	return all
}

// ImageName is the name of a container's image, for people. An earlier version made containers
// from the name itself.
func ImageName(labels map[string]string, image string) string {
	if name := labels[Image]; name != "" {
		return name
	}
	return image
}

// ForCached are the labels of the cache and the data roots of a scope. Both outlive sandboxes,
// and so lack a sandbox's label: cleanup and sweep never see them.
func ForCached(c plan.Claim, role plan.Role) map[string]string {
	l := Common(role)
	l[Scope] = c.Scope
	l[Project] = c.Project
	l[Protected] = c.Protection.Label()
	l[Instance] = c.Instance
	return l
}

// ForPathCache are the labels of a scope's cache for an entry of cache.paths; "" stands for
// /cache.
func ForPathCache(c plan.Claim, path string) map[string]string {
	l := ForCached(c, plan.RoleCache)
	if path != "" {
		l[Path] = path
	}
	return l
}

// ForMark are the labels of a cached volume's mark.
func ForMark(scope, of string) map[string]string {
	l := Common(plan.RoleMark)
	l[Scope] = scope
	l[Of] = of
	return l
}

// DataState is the state of a cached data root, by its mark. Without a mark the data root was a
// job's, and needs clearing before anybody else may have it.
type DataState string

const (
	// DataClean: the data root holds nothing but what the next daemon needs.
	DataClean DataState = "clean"
	// DataDamaged: the data root serves nobody, and is removed.
	DataDamaged DataState = "damaged"
)

// ForState are the labels of the mark for a cached data root's state.
func ForState(scope, of string, state DataState) map[string]string {
	l := ForMark(scope, of)
	l[State] = string(state)
	return l
}

// ForData are the labels of a cached data root that a sandbox may make.
func ForData(c plan.Claim, sandbox string) map[string]string {
	l := ForCached(c, plan.RoleData)
	l[Maker] = sandbox
	return l
}

// ForSandbox are the labels of a sandbox's objects that do not depend on the job.
func ForSandbox(p *plan.Plan, role plan.Role) map[string]string {
	l := InSandbox(p.Sandbox, role)
	l[Spec] = p.Spec
	return l
}

// ForSidecar are the labels of the sidecar.
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

// ForMirror are the labels of the mirror and its storage. Both outlive sandboxes, and so lack a
// sandbox's label.
func ForMirror(m plan.Mirror) map[string]string {
	l := Common(plan.RoleMirror)
	l[Remote] = m.Remote
	l[Spec] = m.Name
	return l
}

// ForSeed are the labels of seeds, with the kind as Spec. Seeds outlive sandboxes.
func ForSeed(role plan.Role, kind, wish string) map[string]string {
	l := Common(role)
	l[Spec] = kind
	l[Seed] = wish
	return l
}

// ForStuck are the labels of the mark of a volume that resists its removal. The mark outlives
// sandboxes, and so lacks a sandbox's label.
func ForStuck(of, reason string) map[string]string {
	l := Common(plan.RoleStuck)
	l[Of] = of
	l[Reason] = reason
	return l
}

// ForClaim are the labels of a job's own objects.
func ForClaim(p *plan.Plan, role plan.Role) map[string]string {
	l := InSandbox(p.Sandbox, role)
	maps.Copy(l, Claim(p.Claim))
	return l
}

// ForAhead are further labels of a sandbox made ahead. After the deadline no job may take it.
func ForAhead(until time.Time) map[string]string {
	return map[string]string{Deadline: until.UTC().Format(time.RFC3339)}
}

// ForJob are the labels of the job container. By Spec a search for sandboxes of a kind sees which
// of them are taken.
func ForJob(p *plan.Plan) map[string]string {
	l := ForClaim(p, plan.RoleJob)
	l[Spec] = p.Spec
	l[Project] = p.Claim.Project
	if p.Sidecar.Layers {
		l[Layers] = "project" // for cleanup, which then has layers cleared
	}
	if p.Job.Direct != "" {
		l[Direct] = p.Job.Direct
	}
	return l
}

// Claim are the labels that name a sandbox's job and owner.
func Claim(c plan.Claim) map[string]string {
	l := map[string]string{
		Job:      c.Job,
		Owner:    c.Owner,
		Deadline: c.Deadline.Format(time.RFC3339),
	}
	if !c.TimesOut.IsZero() {
		l[TimesOut] = c.TimesOut.Format(time.RFC3339)
	}
	for key, value := range map[string]string{Project: c.Project, Ref: c.About.Ref, Stage: c.About.Stage} {
		if value = shortened(value); value != "" {
			l[key] = value
		}
	}
	if len(c.About.URL) <= mostURL && c.About.URL != "" { // half of one leads elsewhere
		l[URL] = c.About.URL
	}
	return l
}

// mostText and mostURL bound what a pipeline chooses of a label, in bytes.
const mostText, mostURL = 200, 1000

// shortened is the beginning of a text, in valid UTF-8.
func shortened(text string) string {
	if len(text) > mostText {
		text = text[:mostText] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// ForEnded are the labels of the volume that marks the end of a sandbox's job.
func ForEnded(sandbox, job string) map[string]string {
	l := InSandbox(sandbox, plan.RoleEnded)
	l[Job] = job
	return l
}

// ForHeld are the labels of the volume that holds a failed job's sandbox until a time. The
// sandbox's own labels never change, hence the volume.
func ForHeld(sandbox, job string, until time.Time) map[string]string {
	l := InSandbox(sandbox, plan.RoleHeld)
	l[Job] = job
	l[Deadline] = until.UTC().Format(time.RFC3339)
	return l
}
