package pipeline

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/pattern"
)

// image reads an image or a service.
func (d *decoder) image(n *node, key string) (i Image, err error) {
	what := d.job.Name + ": " + key
	if n.kind == null {
		return i, nil
	}
	if n.kind == scalar {
		i.Name = n.text
		return i, nil
	}
	err = d.keys(n, what, func(e entry) (err error) {
		v, service := e.value, key == "services"
		switch {
		case e.key == "name":
			i.Name, err = d.word(v, what+":name")
		case e.key == "entrypoint":
			i.Entrypoint, err = d.words(v, what+":entrypoint")
		case e.key == "pull_policy":
			i.PullPolicy, err = d.words(v, what+":pull_policy")
		case e.key == "alias" && service:
			var words []string
			words, err = d.words(v, what+":alias")
			i.Aliases = strings.FieldsFunc(strings.Join(words, " "), func(r rune) bool { return r == ' ' || r == ',' })
		case e.key == "command" && service:
			i.Command, err = d.words(v, what+":command")
		case e.key == "variables" && service:
			i.Variables, err = d.variables(v, what+":variables")
		case e.key == "docker":
			err = d.keys(v, what+":docker", func(e entry) (err error) {
				switch e.key {
				case "user":
					i.User = e.value.text // a number as well
				case "platform":
					i.Platform, err = d.word(e.value, what+":docker:platform")
				default:
					d.strange(key + ":docker:" + e.key)
				}
				return err
			})
		case e.key == "kubernetes", e.key == "ports":
			d.strange(key + ":" + e.key)
		default:
			d.unknown(key + ":" + e.key)
		}
		return err
	})
	if err == nil && i.Name == "" {
		err = n.faultf("write name: below it", "%s has no name", what)
	}
	return i, err
}

// variables reads a mapping of variables.
func (r *reader) variables(n *node, what string) (vars []Variable, err error) {
	if n == nil || n.kind == null {
		return nil, nil
	}
	if n.odd != "" {
		return nil, n.faultf(quoteIt, "%s: %s", what, n.odd)
	}
	err = r.keys(n, what, func(e entry) error {
		v, value := Variable{Key: e.key}, e.value
		if e.value.kind == mapping {
			value = e.value.get("value")
		}
		if value != nil {
			if value.typed == isFloat || value.typed == isBoolean {
				return e.fault("put it in quotes: "+e.key+`: "`+value.text+`"`, "%s: %s is %s, which GitLab does not take", what, e.key, value.typed)
			}
			v.Value = value.text
		}
		switch e.value.kind {
		case null, scalar:
		case mapping:
			if expand := e.value.get("expand"); expand != nil {
				on, err := r.boolean(expand, what+":"+e.key+":expand")
				if err != nil {
					return err
				}
				v.Raw = !on
			}
		default:
			return e.fault("a variable is a word, or a mapping with value:", "%s: %s is no text", what, e.key)
		}
		if strings.ContainsAny(e.key, "=\x00") || strings.Contains(v.Value, "\x00") {
			return e.fault("letters, digits and _", "%s: %q is no name of a variable", what, e.key)
		}
		vars = append(vars, v)
		return nil
	})
	return vars, err
}

func (d *decoder) when(n *node) error {
	switch n.text {
	case "on_success", "on_failure", "always", "never":
		d.job.When = n.text
	case "manual":
		d.job.When = n.text
		if !d.allowed {
			d.job.AllowFailure = true
		}
	case "delayed":
		d.job.When = n.text
	default:
		return n.faultf("on_success, on_failure, always, manual, delayed or never", "%s: when is %q", d.job.Name, n.text)
	}
	return nil
}

func (d *decoder) allowFailure(n *node) (err error) {
	d.allowed = true
	d.job.AllowExitCodes = nil
	if n.kind != mapping {
		d.job.AllowFailure, err = d.boolean(n, d.job.Name+": allow_failure")
		return err
	}
	d.job.AllowFailure = true
	codes, err := d.flat(n.get("exit_codes"))
	for _, c := range codes {
		code, err := strconv.Atoi(c.text)
		if err != nil || c.typed != isInteger {
			return n.faultf("numbers", "%s: allow_failure:exit_codes: %q", d.job.Name, c.text)
		}
		d.job.AllowExitCodes = append(d.job.AllowExitCodes, code)
	}
	return err
}

func (d *decoder) artifacts(n *node) error {
	if n.kind == null {
		return nil
	}
	a := &Artifacts{}
	plain := map[string]any{
		"paths": &a.Paths, "exclude": &a.Exclude, "name": &a.Name,
		"when": &a.When, "expire_in": &a.ExpireIn, "untracked": &a.Untracked,
	}
	err := d.keys(n, d.job.Name+": artifacts", func(e entry) error {
		what := d.job.Name + ": artifacts:" + e.key
		if to, ok := plain[e.key]; ok {
			return d.into(to, e.value, what)
		}
		switch e.key {
		case "reports":
			return d.keys(e.value, what, func(e entry) (err error) {
				if e.key == "dotenv" {
					a.Dotenv, err = d.words(e.value, what+":dotenv")
					return err
				}
				d.strange("artifacts:reports:" + e.key)
				return nil
			})
		case "expose_as", "public", "access": // for GitLab's pages
		default:
			d.unknown("artifacts:" + e.key)
		}
		return nil
	})
	if len(a.Paths) > 0 || a.Untracked || len(a.Dotenv) > 0 {
		d.job.Artifacts = a
	}
	return err
}

func (d *decoder) caches(n *node) error {
	list, err := d.flat(n)
	if err != nil {
		return err
	}
	for _, i := range list {
		c := Cache{}
		plain := map[string]any{
			"key": &c.Key, "paths": &c.Paths, "policy": &c.Policy,
			"when": &c.When, "untracked": &c.Untracked, "fallback_keys": &c.FallbackKeys,
		}
		err := d.keys(i, d.job.Name+": cache", func(e entry) error {
			to, ok := plain[e.key]
			switch {
			case e.key == "key" && e.value.kind == mapping:
				for _, k := range e.value.entries {
					d.strange("cache:key:" + k.key)
				}
			case ok:
				return d.into(to, e.value, d.job.Name+": cache:"+e.key)
			case e.key != "unprotect":
				d.unknown("cache:" + e.key)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(c.Paths) > 0 || c.Untracked {
			d.job.Caches = append(d.job.Caches, c)
		}
	}
	return nil
}

var (
	duration = pattern.New(`^\s*(?:(\d+)\s*([a-z]*)[\s,]*(?:and\s+)?)`)
	units    = map[time.Duration][]string{
		time.Second:    {"", "s", "sec", "secs", "second", "seconds"},
		time.Minute:    {"m", "min", "mins", "minute", "minutes"},
		time.Hour:      {"h", "hr", "hrs", "hour", "hours"},
		24 * time.Hour: {"d", "day", "days"},
	}
)

// timeout reads times such as 90, "1h 30m" and 2 hours 10 minutes.
func (d *decoder) timeout(n *node) {
	var sum time.Duration
	rest := strings.ToLower(n.text)
	for rest != "" {
		m := duration.FindStringSubmatch(rest)
		if m == nil {
			d.strange("timeout: " + n.text)
			return
		}
		number, err := strconv.Atoi(m[1])
		var unit time.Duration
		for u, names := range units {
			if slices.Contains(names, m[2]) {
				unit = u
			}
		}
		if err != nil || unit == 0 || number > int(maxTimeout/unit) {
			d.strange("timeout: " + n.text)
			return
		}
		sum += time.Duration(number) * unit
		rest = rest[len(m[0]):]
	}
	d.job.Timeout = min(sum, maxTimeout)
}

// maxTimeout is GitLab's own bound.
const maxTimeout = 31 * 24 * time.Hour
