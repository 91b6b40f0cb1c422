package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/runnerconfig"
	"gitlab-dind-executor/executor/try"
	"gitlab-dind-executor/fault"
)

// tryCommand runs jobs of a pipeline on this host, without a GitLab.
func (c *call) tryCommand() *cobra.Command {
	var o try.Options
	var version string
	cmd := &cobra.Command{
		Use:   "try [JOB]...",
		Short: "Run a job of a .gitlab-ci.yml on this host, without a GitLab",
		Long: "Runs the jobs of a pipeline one after the other on this host's engine, through the hooks\n" +
			"that GitLab Runner calls. Sources come from the git repository around the file, with\n" +
			"uncommitted changes.\n\n" +
			"Each part of the pipeline that try does not understand has a line. If try cannot tell\n" +
			"whether GitLab would run a job, the job runs only when you name it. Ctrl-C cancels a job\n" +
			"as the button in GitLab does.\n\n" +
			"The exit code is 0 if all jobs succeed, and 1 if a job fails. It is also 1 if no job\n" +
			"runs where GitLab might run a job. It is 2 if the host is to blame.",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.completeJobs(&o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.JSON && !o.List {
				return fault.System(errors.New("--json is about --list"), "add --list")
			}
			o.Jobs = append(o.Jobs, args...)
			return c.try(cmd.Context(), o, version, cmd.InOrStdin())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.File, "file", ".gitlab-ci.yml", "the pipeline's `FILE`, or - for stdin; GitLab's merged YAML serves as well")
	f.StringArrayVar(&o.Jobs, "job", nil, "run the job of this `NAME`, as an argument does, whatever its rules say; may be given again (default: all)")
	f.StringArrayVar(&o.Variables, "variable", nil, "set a variable, `KEY=VALUE`, or KEY to take it from the environment; may be given again")
	f.BoolVar(&o.List, "list", false, "only list the jobs and what is not understood")
	f.BoolVar(&o.JSON, "json", false, "with --list: print JSON")
	f.StringVar(&o.Artifacts, "artifacts", "", "put what jobs leave into this `DIR`, which is empty or not there yet")
	f.BoolVar(&o.Times, "times", false, "show how long each hook took")
	f.StringVar(&o.Tag, "tag", "", "run as the pipeline of a tag of this `NAME`, which need not exist")
	f.BoolVar(&o.Protected, "protected", false, "run as on a protected branch, for policies")
	f.StringVar(&o.Listen, "listen", "", "`ADDRESS` or address:port of this host at which jobs fetch their sources (default: that of the engine's bridge)")
	f.StringVar(&version, "runner-version", "", "the `VERSION` of GitLab Runner, for helper.image (default: that of the gitlab-runner on this host)")
	_ = cmd.RegisterFlagCompletionFunc("job", c.completeJobs(&o)) // the flag exists
	_ = cmd.MarkFlagDirname("artifacts")
	return cmd
}

// completeJobs offers the jobs of the pipeline to a shell.
func (c *call) completeJobs(o *try.Options) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeBound)
		defer cancel()
		names, _ := try.Names(ctx, *o, c.env) // no suggestions after an error
		return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(args, n) }), cobra.ShellCompDirectiveNoFileComp
	}
}

// try runs jobs through the hooks of this program, with the settings of this call.
func (c *call) try(ctx context.Context, o try.Options, version string, stdin io.Reader) error {
	flags, err := c.hookFlags()
	if err != nil {
		return err
	}
	err = try.Run(ctx, o, try.Host{
		Env: c.env, Stdin: stdin, Stdout: c.stdout, JobLog: c.raw.out, RunnerLog: c.stderr, Warn: c.log.Warn, Flags: flags,
		Version: func(ctx context.Context) (string, error) {
			s, err := c.load()
			if err != nil {
				return "", err
			}
			return tryVersion(ctx, s, version)
		},
		Address: func(ctx context.Context) (string, error) {
			_, d, err := c.open()
			if err != nil {
				return "", err
			}
			defer d.Close()
			ip, err := d.HostAddress(ctx)
			return ip.String(), err
		},
	})
	if errors.Is(err, try.ErrFailed) {
		return &failedScript{1}
	}
	return err
}

// hookFlags returns the flags of this call for the hooks. Hooks have a folder of their own,
// so each path is absolute.
func (c *call) hookFlags() ([]string, error) {
	var flags []string
	for _, f := range [][2]string{{"--settings", c.settingsFile}, {"--trace", c.traceFile}} {
		if f[1] == "" {
			continue
		}
		path, err := filepath.Abs(f[1])
		if err != nil {
			return nil, err
		}
		flags = append(flags, f[0], path)
	}
	return flags, nil
}

// tryVersion returns the Runner's version for the choice of the helper image, or "" where
// no version is needed.
func tryVersion(ctx context.Context, s config.Settings, asked string) (string, error) {
	if asked != "" {
		if !runnerconfig.Released(asked) {
			return "", fault.System(fmt.Errorf("--runner-version: %q is no version", asked), "such as 18.6.6")
		}
		return asked, nil
	}
	v, err := runnerconfig.Version(ctx, s.Helper.RunnerBinary)
	if err != nil && !strings.Contains(s.Helper.Image, "{version}") {
		return "", nil
	}
	return v, err
}
