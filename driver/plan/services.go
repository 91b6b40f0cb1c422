package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	runner "gitlab.com/gitlab-org/gitlab-runner/helpers/container/services"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// splitServices finds the declared dind service, which becomes the sidecar. The same
// one twice is one, with all of its names and a line for the job log.
func splitServices(all []Service) (declared *Service, ordinary []Service, notes []string, err error) {
	for _, s := range all {
		switch {
		case !IsDind(s):
			ordinary = append(ordinary, s)
		case declared == nil:
			declared = &s
		case sameDaemon(*declared, s):
			declared.Aliases = slices.Concat(declared.Aliases, s.Aliases)
			notes = []string{fmt.Sprintf("the dind service %s is there more than once: it is one docker daemon", declared.Name)}
		default:
			what := fmt.Sprintf("%s and %s", declared.Name, s.Name)
			if normalised(declared.Name) == normalised(s.Name) {
				what = declared.Name + " twice, with different settings"
			}
			return nil, nil, nil, fault.Job(
				fmt.Errorf("two services would be the job's docker daemon: %s", what),
				"keep one dind service")
		}
	}
	return declared, ordinary, notes, nil
}

// sameDaemon tells whether two services would be the same but for their names.
func sameDaemon(a, b Service) bool {
	return normalised(a.Name) == normalised(b.Name) && a.Platform == b.Platform && a.User == b.User &&
		(a.Entrypoint == nil) == (b.Entrypoint == nil) && slices.Equal(a.Entrypoint, b.Entrypoint) &&
		slices.Equal(a.Command, b.Command) && slices.Equal(a.PullPolicies, b.PullPolicies) &&
		maps.Equal(effective(a.Variables), effective(b.Variables))
}

// effective are variables by name: the last of duplicates wins.
func effective(variables []Variable) map[string]string {
	values := map[string]string{}
	for _, v := range variables {
		values[v.Key] = v.Value
	}
	return values
}

// ownServices are those that the settings give to every job.
func ownServices(s config.Settings) (list []Service, err error) {
	for _, o := range s.Service {
		svc := Service{Image: Image{Name: o.Name, Entrypoint: orNone(o.Entrypoint)}, Aliases: Words(o.Alias), Command: orNone(o.Command), Own: true}
		if IsDind(svc) {
			return nil, fault.System(fmt.Errorf("service %s of the settings would be the job's docker daemon", o.Name),
				"name it in sidecar.image, which jobs without a dind service have")
		}
		for _, e := range o.Environment {
			key, v, _ := strings.Cut(e, "=")
			svc.Variables = append(svc.Variables, Variable{Key: key, Value: v})
		}
		list = append(list, svc)
	}
	return list, nil
}

// IsDind tells whether a service is meant to be the job's Docker daemon: the
// official image or one named after it, a tag or name with "dind", or an alias
// that takes the daemon's name.
func IsDind(s Service) bool {
	if slices.Contains(s.Aliases, dockerAlias) {
		return true
	}
	ref, err := reference.ParseNormalizedNamed(s.Name)
	if err != nil {
		return false
	}
	repo := reference.Path(ref)
	last := repo[strings.LastIndexByte(repo, '/')+1:]
	tag := ""
	if t, ok := ref.(reference.Tagged); ok {
		tag = t.Tag()
	}
	return strings.Contains(last, "dind") || strings.Contains(tag, "dind") ||
		last == "docker" && !strings.Contains(tag, "cli") && !strings.Contains(tag, "git")
}

// service plans an ordinary service, beside a daemon with those names.
func (pl *planner) service(svc Service, declared *Service, daemon []string) (Container, error) {
	image, err := pl.image(svc.Image, "services", svc.Own)
	if err != nil {
		return Container{}, err
	}
	if !svc.Own && !allowedIfAny(pl.s.Services.AllowedImages, svc.Name) {
		return Container{}, refused(svc.Name, "a service", "services.allowed_images", "")
	}
	seen := slices.Clone(pl.job.Variables)
	seen = append(slices.DeleteFunc(seen, func(v Variable) bool { return !v.Public }), svc.Variables...)
	var env []string
	for _, v := range seen {
		env = append(env, v.Key+"="+v.Value)
	}
	// The docker CLI's images would give themselves the sidecar's name.
	names := slices.DeleteFunc(aliases(svc), func(n string) bool { return n == dockerAlias })
	c := Container{
		Role: RoleService, Image: image,
		Entrypoint: pl.entrypoint(pl.s.Services.Container, svc), Command: svc.Command, User: svc.User,
		Environment: env, Aliases: names, Init: pl.job.Init,
		Rights: pl.serviceRights(svc.Name), Extras: pl.extras(pl.s.Services.Container),
	}
	// Emulators start containers. They get what the volumes of GitLab's documentation
	// give them, and go to the same daemon as the job.
	if pl.conn.tls {
		c.certify(connect(seen, declared, daemon).certDirs)
	}
	return c, nil
}

var validAlias = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// aliases are the names that GitLab Runner gives a service: two forms of the
// image's name, then those declared. What is no host name is left out.
func aliases(svc Service) []string {
	var names []string
	for _, n := range append(runner.SplitNameAndVersion(svc.Name).Aliases, svc.Aliases...) {
		if validAlias.MatchString(n) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// distinctNames takes a name from all services but the first that has it: two
// with one name would answer by turns. It returns warnings for what a pipeline
// asked for in vain; of names that come from the image nobody needs to know as
// long as one is left.
func distinctNames(sidecar []string, planned []Container, declared []Service) (warnings []string) {
	owner := map[string]string{}
	for _, n := range sidecar {
		owner[n] = "the docker daemon of this job"
	}
	for i := range planned {
		c := &planned[i]
		var names []string
		for _, n := range c.Aliases {
			first, taken := owner[n]
			if !taken {
				owner[n] = c.Image.Name
				names = append(names, n)
			} else if slices.Contains(declared[i].Aliases, n) {
				warnings = append(warnings, fmt.Sprintf("service %s cannot have the name %s, which is that of %s", c.Image.Name, n, first))
			}
		}
		if len(names) == 0 && len(c.Aliases) > 0 {
			warnings = append(warnings, fmt.Sprintf("service %s has no name of its own: give it an alias", c.Image.Name))
		}
		c.Aliases = names
	}
	return warnings
}

// Given is what the pipeline has said of the job's sidecar. All else is the
// settings'.
type Given struct {
	// Image says that it named the image.
	Image               bool
	Entrypoint, Command []string
	// User is the one that it named.
	User string
	// Variables are the names of those that it gave to the sidecar alone.
	Variables []string
}

// GivenBy finds it among the services that a pipeline declares.
func GivenBy(services []Service) Given {
	declared, _, _, err := splitServices(services)
	if err != nil || declared == nil {
		return Given{}
	}
	g := Given{Image: true, Entrypoint: declared.Entrypoint, Command: declared.Command, User: declared.User}
	for _, v := range declared.Variables {
		g.Variables = append(g.Variables, v.Key)
	}
	return g
}

// Runs tells whether the pipeline says what runs in the sidecar.
func (g Given) Runs() bool { return g.Entrypoint != nil || len(g.Command) > 0 }

// Words are all that the pipeline wants to be run, with what a shell's program would
// take apart.
func (g Given) Words() []string {
	var words []string
	for _, w := range slices.Concat(g.Entrypoint, g.Command) {
		words = append(words, strings.Fields(w)...)
	}
	return words
}
