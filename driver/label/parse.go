package label

import (
	"regexp"
	"strings"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/pattern"
)

// Name has the facts in the name of a volume of ours. Labels say more and come first. A name
// serves only if the engine has dropped the labels.
type Name struct {
	// Sandbox is the sandbox's id; empty for volumes that outlive sandboxes.
	Sandbox string
	Role    plan.Role
	// Of is the volume of a mark.
	Of string
}

// Forms of names. A hash has 12 digits or, since names have the whole hash, 64.
const (
	hashForm    = `(?:[0-9a-f]{12}|[0-9a-f]{64})`
	sandboxForm = `[0-9a-f]{12}`
	cachedForm  = `dind-(?:data-` + hashForm + `-[0-9]{1,4}|cache-` + hashForm + `)`
	seedForm    = `dind-seed-` + hashForm + `-` + sandboxForm
	// coverForm ends the name of a volume over a VOLUME of an image, behind the container's name.
	coverForm = `-v[0-9]{1,4}`
)

// volumeForms are all names of volumes of ours. Each first group is the sandbox, or the volume of
// a mark.
var volumeForms = []struct {
	form *regexp.Regexp
	// role is empty if the second group is the role.
	role plan.Role
	// mark tells whether the first group is another volume.
	mark bool
}{
	{form: whole(`dind-(` + sandboxForm + `)-(builds|data|certs|cas|ended|held|kept|mark)`)},
	{form: whole(`dind-(` + sandboxForm + `)-cache(?:-[0-9a-f]{12})?`), role: plan.RoleScratch},
	{form: whole(`dind-(` + sandboxForm + `)-(?:sidecar|helper|helper-cache|job|service-[0-9]{1,4}|scratch)` + coverForm), role: plan.RoleScratch},
	{form: whole(`()(?:` + cachedForm + `|dind-[a-z2-7]{40})-sidecar` + coverForm), role: plan.RoleScratch},
	{form: whole(`()dind-data-` + hashForm + `-[0-9]{1,4}`), role: plan.RoleData},
	{form: whole(`()dind-cache-` + hashForm), role: plan.RoleCache},
	{form: whole(`(` + cachedForm + `)-(?:used-` + sandboxForm + `|clean|damaged)`), role: plan.RoleMark, mark: true},
	{form: whole(`(` + cachedForm + `)-(?:clean|damaged)`), role: plan.RoleMark, mark: true},
	{form: whole(`()` + seedForm), role: plan.RoleSeed},
	{form: whole(`(` + seedForm + `)-ready`), role: plan.RoleMark, mark: true},
	{form: whole(`()dind-mirror-` + sandboxForm + `(?:-data|` + coverForm + `)`), role: plan.RoleMirror},
}

// stuckForm is the name of the mark of a volume that resists its removal.
var stuckForm = pattern.New(`^(.+)` + StuckSuffix + `$`)

func whole(form string) *regexp.Regexp { return regexp.MustCompile(`^` + form + `$`) }

// ParseName reads the name of a volume, in exactly the forms that this program makes.
func ParseName(name string) (Name, bool) {
	if of := stuckForm.FindStringSubmatch(name); of != nil {
		_, ours := ParseName(of[1])
		return Name{Role: plan.RoleStuck, Of: of[1]}, ours && !strings.HasSuffix(of[1], StuckSuffix)
	}
	for _, f := range volumeForms {
		m := f.form.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		switch {
		case f.mark:
			return Name{Role: f.role, Of: m[1]}, true
		case f.role == "":
			return Name{Sandbox: m[1], Role: plan.Role(m[2])}, true
		}
		return Name{Sandbox: m[1], Role: f.role}, true
	}
	return Name{}, false
}

// IsCachedData tells whether a name belongs to a cached data root.
func IsCachedData(name string) bool {
	n, ours := ParseName(name)
	return ours && n.Role == plan.RoleData && n.Sandbox == ""
}
