package executor

import (
	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
)

// loaded is the result of reading the settings.
type loaded struct {
	settings config.Settings
	err      error
}

// load reads the settings once. Warnings about former names go to an operator only: the job
// log is the pipeline's.
func (c *call) load() (config.Settings, error) {
	if c.loaded == nil {
		s, warnings, err := config.LoadWarned(c.settingsFile)
		if c.alone {
			s = s.Alone()
		}
		c.loaded = &loaded{s, err}
		if c.forOperator() {
			for _, w := range warnings {
				c.log.Warn(w)
			}
		}
	}
	return c.loaded.settings, c.loaded.err
}

// settings returns the settings of the file. A broken file gives the defaults, so
// everything beside jobs goes on.
func (c *call) settings() config.Settings {
	s, err := c.load()
	if err != nil {
		return config.Default()
	}
	return s
}

// open loads the settings and connects to the engine.
func (c *call) open() (config.Settings, *driver.Driver, error) {
	s, err := c.load()
	if err != nil {
		return s, nil, err
	}
	d, err := driver.Open(s.Engine.Host)
	return s, d, err
}

// forOperator tells whether an operator reads the warnings of this call. Of the hooks, only
// cleanup's output goes to the Runner's log.
func (c *call) forOperator() bool { return c.record.Hook == "" || c.record.Hook == "cleanup" }
