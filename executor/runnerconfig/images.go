package runnerconfig

import (
	"slices"
	"strings"

	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
)

// nothing is a list of patterns that match no image. An empty list would allow all.
var nothing = []string{"none.invalid/**"}

// patternsOf converts a list of images that jobs may use.
func patternsOf(table string) rule {
	return func(c *Conversion, key string, d map[string]any) {
		patterns := list(d[key])
		if own := text(d["image"]); own != "" && table == "job" { // the docker executor always allows its own image
			patterns = append(slices.Clone(patterns), own)
		}
		written := c.valid(key, table, full(patterns))
		if len(written) == 0 {
			c.putNear(table, "allowed_images", nothing, key, "none of its patterns is valid, so that no image is allowed")
			return
		}
		c.allow(table, key, written, "written in full")
		if table == "services" {
			c.differs(key, "dind images are the job's daemon, no services: those of your own belong to sidecar.allowed_images")
		}
	}
}

// allow puts patterns into a setting. In the docker executor a star matches digests, too.
func (c *Conversion) allow(table, key string, written []string, why string) {
	star := slices.ContainsFunc(written, func(p string) bool { return strings.ContainsAny(p, "*?") && !strings.Contains(p, "@") })
	if star {
		c.putNear(table, "allowed_images", written, key, why+"; an image by digest needs a pattern with an @")
		return
	}
	c.put(table, "allowed_images", written, key, why)
}

// valid returns the patterns that can match an image, and drops the others.
func (c *Conversion) valid(key, table string, patterns []string) []string {
	return slices.DeleteFunc(slices.Clone(patterns), func(p string) bool {
		_, err := config.Parse("", []byte(render([]place{{table, "allowed_images", []string{p}}})))
		if err != nil {
			c.drop(key+" "+p, "no image can match it, there neither")
		}
		return err != nil
	})
}

// full writes patterns in full, with registry and tag, as they are matched here. The docker
// executor matches the name in the pipeline.
func full(patterns []string) []string {
	var out []string
	for _, p := range alternatives(patterns) {
		first, _, slashed := strings.Cut(p, "/")
		rest := p[strings.LastIndex(p, "/")+1:]
		if !strings.ContainsAny(rest, ":@") && !strings.HasSuffix(rest, "*") {
			p += ":latest"
		}
		switch {
		case strings.HasPrefix(p, "**"), slashed && (strings.ContainsAny(first, ".:") || first == "localhost"):
			out = append(out, p)
		case slashed && strings.Contains(first, "*"): // of any registry, or of a user at the Docker Hub
			out = append(out, p, "docker.io/"+p)
		case slashed:
			out = append(out, "docker.io/"+p)
		default:
			out = append(out, "docker.io/library/"+p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// alternatives splits a pattern at its braces where the alternatives may differ in registry
// or tag.
func alternatives(patterns []string) []string {
	var out []string
	for _, p := range patterns {
		from, to, parts := braces(p)
		if from == to || !strings.ContainsAny(p[from:to], "/:@") && from > strings.Index(p, "/") {
			out = append(out, p)
			continue
		}
		for _, one := range parts {
			out = append(out, alternatives([]string{p[:from] + one + p[to:]})...)
		}
	}
	return out
}

// braces finds the first braces of a pattern, and the parts between their commas.
func braces(p string) (from, to int, parts []string) {
	depth, begin := 0, 0
	for i := range len(p) {
		switch {
		case p[i] == '{':
			if depth++; depth == 1 {
				from, begin = i, i+1
			}
		case p[i] == ',' && depth == 1:
			parts, begin = append(parts, p[begin:i]), i+1
		case p[i] == '}' && depth > 0:
			if depth--; depth == 0 {
				return from, i + 1, append(parts, p[begin:i])
			}
		}
	}
	return 0, 0, nil
}

// sidecarImages converts the list of images for the job's daemon, which are privileged.
// Dind services of the runner itself are always included.
func sidecarImages(c *Conversion, key string, d map[string]any) {
	written := c.valid(key, "sidecar", full(list(d[key])))
	for _, s := range tables(d["services"]) {
		if s = lowered(s); isDind(s) {
			if ref, err := reference.ParseNormalizedNamed(text(s["name"])); err == nil {
				written = append(written, reference.TagNameOnly(ref).String())
			}
		}
	}
	if len(written) == 0 {
		c.putNear("sidecar", "allowed_images", nothing, key, "none of its patterns is valid, so that no image is allowed")
		return
	}
	slices.Sort(written)
	c.allow("sidecar", key, slices.Compact(written), "they may be the job's daemon")
}

// isDind tells whether a service of the runner is the job's daemon, by the rules for a
// pipeline's services.
func isDind(service map[string]any) bool {
	return plan.IsDind(plan.Service{Image: plan.Image{Name: text(service["name"])}, Aliases: plan.Words(text(service["alias"]))})
}

// pullPolicy converts the Runner's policies. Without a policy both programs pull always. In
// both, pipelines may name only policies of the list.
func pullPolicy(c *Conversion, key string, d map[string]any) {
	policies := c.policies(key, list(d[key]))
	if len(policies) == 0 {
		policies = []string{config.PullAlways}
	}
	what := ""
	if allowed := list(d["allowed_pull_policies"]); len(allowed) > 0 {
		both := slices.DeleteFunc(slices.Clone(policies), func(p string) bool { return !slices.Contains(allowed, p) })
		switch known := known(allowed); {
		case len(both) == 0 && len(known) > 0:
			policies, what = known, "those of allowed_pull_policies: there a job without a policy of its own fails, as "+strings.Join(policies, ", ")+" is none of them"
		case len(both) < len(policies):
			policies, what = both, "those of allowed_pull_policies alone, as there"
		}
	}
	always := slices.Contains(policies, config.PullAlways)
	if always {
		c.holdsNear("pull", "policy", policies, key, "always asks the registry with the job's credentials and fetches only what differs; what is on the host serves while the registry cannot be asked")
	}
	switch {
	case len(known(list(d[key]))) == 0 && slices.Equal(policies, config.Default().Pull.Policy):
	case always:
		c.putNear("pull", "policy", policies, key, cut(what, "of images that pipelines name; those of the settings are fetched if they are not on the host"))
	case what != "":
		c.putNear("pull", "policy", policies, key, what)
	default:
		c.put("pull", "policy", policies, key, "")
	}
	if always && len(policies) > 1 {
		c.holdsNear("pull", "policy", policies, key, "a registry that denies an image ends the job: the policies behind always are for images that cannot be fetched")
	}
	if !always {
		c.holdsNear("pull", "policy", policies, key, "as there, a job can use a private image that another project's job has fetched: pull.policy = [\"always\"] ends that")
	}
}

func allowedPullPolicies(c *Conversion, key string, d map[string]any) {
	if policies := c.policies(key, list(d[key])); len(policies) > 0 {
		c.put("pull", "allowed_policies", policies, key, "")
	}
}

// policies returns the known policies, and drops the others.
func (c *Conversion) policies(key string, policies []string) []string {
	for _, p := range policies {
		if !slices.Contains(config.PullPolicies, p) {
			c.drop(key+" "+p, "it is no pull policy, and the docker executor fails jobs with it")
		}
	}
	return known(policies)
}

func known(policies []string) []string {
	return slices.DeleteFunc(slices.Clone(policies), func(p string) bool { return !slices.Contains(config.PullPolicies, p) })
}

// cut joins the parts of a reason.
func cut(a, b string) string { return strings.Trim(a+"; "+b, "; ") }
