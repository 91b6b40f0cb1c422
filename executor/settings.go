package executor

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
)

// settingsCommand prints the default file, checks a file, or explains the settings of a
// job.
func (c *call) settingsCommand() *cobra.Command {
	var printDefault, protected bool
	var check, explain, project, instance string
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Print the default settings, check a file, or explain what holds for a job",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case printDefault:
				_, err := c.stdout.Write(config.DefaultFile)
				return err
			case check != "":
				if _, err := os.Stat(check); err != nil {
					return fmt.Errorf("reading the settings: %w", err)
				}
				s, warnings, err := config.LoadWarned(check)
				if err != nil {
					return err
				}
				fmt.Fprintf(c.stdout, "%s: no fault found\n", check)
				for _, w := range warnings {
					c.log.Warn(w)
				}
				if s.Network.IPv6 {
					fmt.Fprintln(c.stdout, "network.ipv6: jobs are refused unless the docker engine keeps sandboxes apart over IPv6; gitlab-dind-executor doctor tells")
				}
				return nil
			case explain != "":
				p, err := payload.Read(explain)
				if err != nil {
					return err
				}
				return c.explainSettings(payload.ForPlan(p, payload.Environment{driver.Installation: c.env[driver.Installation]}))
			case project != "":
				job := plan.Job{Project: project, Protection: plan.ProtectionOf(&protected)}
				if instance != "" {
					job.Instances = []string{instance}
				}
				return c.explainSettings(job)
			case protected || instance != "":
				return fault.System(errors.New("--protected and --instance are about --project"), "add --project group/app")
			}
			return errors.New("say what to do: --default, --check FILE, --explain PAYLOAD or --project PATH")
		},
	}
	cmd.Flags().BoolVar(&printDefault, "default", false, "print the default file, with every key explained")
	cmd.Flags().StringVar(&check, "check", "", "check a settings `FILE`")
	cmd.Flags().StringVar(&explain, "explain", "", "say which policy and settings hold for the job of a `PAYLOAD` file (JOB_RESPONSE_FILE)")
	cmd.Flags().StringVar(&project, "project", "", "say which policy and settings hold for jobs of the project with this `PATH`, as group/app")
	cmd.Flags().BoolVar(&protected, "protected", false, "with --project: for its protected branches and tags")
	cmd.Flags().StringVar(&instance, "instance", "", "with --project: of the GitLab with this `HOST` name")
	cmd.MarkFlagsMutuallyExclusive("default", "check", "explain", "project")
	return cmd
}

// explainSettings says which policy matches a job, why, and what follows.
func (c *call) explainSettings(job plan.Job) error {
	settings, err := c.load()
	if err != nil {
		return err
	}
	s, which := plan.Effective(settings, job)
	layers := s.Cache.Layers
	if job.Key != "" && layers != config.LayersOff && !job.Shares() {
		layers = "off, since no later job can share with this one"
	}
	list := func(patterns []string) string {
		if len(patterns) == 0 {
			return "all"
		}
		return strings.Join(patterns, ", ")
	}
	or := func(names []string) string { return cmp.Or(strings.Join(names, ", "), "none") }
	for _, line := range [][2]string{
		{"job", job.Key},
		{"project", job.Project},
		{"instance", strings.Join(job.Instances, ", ")},
		{"ref", job.Protection.String()},
		{"scope", job.Scope},
		{"policy", which},
		{"skipped policies", or(plan.Skipped(settings, job))},
		{"sidecar.image", s.Sidecar.Image},
		{"sidecar.allowed_images", list(s.Sidecar.AllowedImages)},
		{"job.image", s.Job.Image},
		{"job.allowed_images", list(s.Job.AllowedImages)},
		{"job.volumes", or(s.Job.Volumes)},
		{"job's rights", or(s.Job.Rights.Names())},
		{"services.allowed_images", list(s.Services.AllowedImages)},
		{"services.volumes", or(s.Services.Volumes)},
		{"services' rights", or(s.Services.ServiceRights.Names())},
		{"cache.layers", layers},
		{"limits.sidecar", limit(s.Limits.Sidecar)},
		{"limits.job", limit(s.Limits.Job)},
		{"limits.services", limit(s.Limits.Services)},
		{"limits.helper", limit(s.Limits.Helper)},
	} {
		if line[1] != "" { // a project alone has no job and no scope
			fmt.Fprintf(c.stdout, "%-24s %s\n", line[0], line[1])
		}
	}
	return nil
}

// limit describes the limits of one kind of container in words.
func limit(l config.Limit) string {
	var parts []string
	if l.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("%g CPUs", l.CPUs))
	}
	if l.Memory > 0 {
		parts = append(parts, l.Memory.String()+" of memory")
	}
	if l.PIDs > 0 {
		parts = append(parts, fmt.Sprintf("%d processes", l.PIDs))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
