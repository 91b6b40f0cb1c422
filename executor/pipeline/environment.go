package pipeline

// Environment is the target of a job's deployment. Here an environment is only a name:
// nothing remembers deployments.
type Environment struct {
	// Name and URL may name variables.
	Name string
	URL  string `json:",omitempty"`
	// Action is start, stop, prepare, verify or access.
	Action string
	// Tier is "" without a tier.
	Tier string `json:",omitempty"`
}

// environment reads the environment of a job.
func (d *decoder) environment(n *node) (err error) {
	what := d.job.Name + ": environment"
	if n.kind == null {
		return nil
	}
	e := &Environment{Action: "start"}
	if n.kind == scalar {
		e.Name = n.text
	} else if err = d.keys(n, what, func(k entry) (err error) {
		switch k.key {
		case "name":
			e.Name, err = d.word(k.value, what+":name")
		case "url":
			e.URL, err = d.word(k.value, what+":url")
		case "action":
			e.Action, err = d.word(k.value, what+":action")
		case "deployment_tier":
			e.Tier, err = d.word(k.value, what+":deployment_tier")
		case "on_stop", "auto_stop_in", "kubernetes": // for GitLab's pages
		default:
			d.unknown("environment:" + k.key)
		}
		return err
	}); err != nil {
		return err
	}
	if e.Name == "" {
		return n.faultf("write name: below it", "%s has no name", what)
	}
	d.job.Environment = e
	return nil
}
