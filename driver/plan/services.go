package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	runner "gitlab.com/gitlab-org/gitlab-runner/helpers/container/services"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
)

// splitServices finds the declared dind service, which becomes the sidecar. Equal dind
// services count as the same, with all their names, and give a line for the job log.
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

// sameDaemon tells whether two services differ in their names alone.
func sameDaemon(a, b Service) bool {
	return normalised(a.Name) == normalised(b.Name) && a.Platform == b.Platform && a.User == b.User &&
		(a.Entrypoint == nil) == (b.Entrypoint == nil) && slices.Equal(a.Entrypoint, b.Entrypoint) &&
		slices.Equal(a.Command, b.Command) && slices.Equal(a.PullPolicies, b.PullPolicies) &&
		maps.Equal(effective(a.Variables), effective(b.Variables))
}

// effective returns variables by name; the last of duplicates wins.
func effective(variables []Variable) map[string]string {
	values := map[string]string{}
	for _, v := range variables {
		values[v.Key] = v.Value
	}
	return values
}

// ownServices returns the services that the settings give to every job.
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

// IsDind tells whether a service is meant to be the job's Docker daemon. Such services have
// the official docker image, an image named after it, a tag or name with "dind", or the
// daemon's alias.
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

// service plans an ordinary service. declared is the dind service, and daemon are the
// daemon's names.
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
	// The docker CLI's images would otherwise get the sidecar's name.
	names := slices.DeleteFunc(aliases(svc), func(n string) bool { return n == dockerAlias })
	c := Container{
		Role: RoleService, Image: image,
		Entrypoint: pl.entrypoint(pl.s.Services.Container, svc), Command: svc.Command, User: svc.User,
		Environment: env, Aliases: names, Init: pl.job.Init,
		Rights: pl.serviceRights(svc.Name), Extras: pl.extras(pl.s.Services.Container),
	}
	// Emulators start containers in services. They get the certificates that the volumes of
	// GitLab's documentation give them, for the same daemon as the job's.
	if pl.conn.tls {
		c.certify(connect(seen, declared, daemon).certDirs)
	}
	return c, nil
}

var validAlias = pattern.New(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// aliases returns the names that GitLab Runner gives a service: two forms of the image's
// name, then the declared aliases. Names that are no valid host names are left out.
func aliases(svc Service) []string {
	var names []string
	for _, n := range append(runner.SplitNameAndVersion(svc.Name).Aliases, svc.Aliases...) {
		if validAlias.MatchString(n) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// distinctNames leaves each name to the first service that has it, because two services
// with the same name would answer in turn. It warns about names from the pipeline that a
// service loses. Lost names made from an image give no warning while the service has
// another name.
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

// Given is the pipeline's part of the job's sidecar. All the rest comes from the settings.
type Given struct {
	// Image says that the pipeline named the image.
	Image               bool
	Entrypoint, Command []string
	// User is the user that the pipeline named.
	User string
	// Variables are the names of variables that the pipeline gave to the sidecar alone.
	Variables []string
}

// GivenBy finds the pipeline's part of the sidecar among the declared services.
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

// Runs tells whether the pipeline names the program of the sidecar.
func (g Given) Runs() bool { return g.Entrypoint != nil || len(g.Command) > 0 }

// Words returns all words of the pipeline's entrypoint and command. A shell's program is
// split at white space.
func (g Given) Words() []string {
	var words []string
	for _, w := range slices.Concat(g.Entrypoint, g.Command) {
		words = append(words, strings.Fields(w)...)
	}
	return words
}
