package executor

import "gitlab-dind-executor/executor/featureflags"

// flagged tells whether a feature flag of the Runner is on for the job.
func (c *call) flagged(name string) bool { return featureflags.On(name, c.env.Variable) }

// tellFlags says of each flag that the job has set, and that the docker executor would
// heed, that it changes nothing here.
func (c *call) tellFlags() {
	for _, f := range featureflags.Missed(c.env.Variable) {
		c.log.Say(f.Name + " changes nothing here: " + f.Text)
	}
}
