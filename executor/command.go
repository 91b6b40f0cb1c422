package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/executor/usage"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/wary"
)

// envPayload is the variable of a hook's environment that names the file with the job.
const envPayload = "JOB_RESPONSE_FILE"

// call is one call of the program.
type call struct {
	env payload.Environment
	// stdout and stderr pass no control sequence on, whoever wrote it. raw are the streams
	// below, for a script's output and for a shell.
	stdout, stderr io.Writer
	raw            streams
	exit           exit
	log            *joblog.Log
	settingsFile   string
	// alone marks a job of try.
	alone          bool
	traceFile      string
	spans          *telemetry.Recorder
	rootSpan       context.Context
	collector      *telemetry.Collector
	collectorFault error
	loaded         *loaded

	// The fields of the operator's log. Another goroutine adds to swept.
	recorded      bool
	record        telemetry.Record
	payload       *payload.Job
	began, lapped time.Time
	swept         atomic.Int64
	freeing       sync.Once
}

// streams are both outputs of a program.
type streams struct{ out, err io.Writer }

// Main runs the program and returns its exit code, always a code known to the Runner.
// environ is in the form of os.Environ.
func Main(args, environ []string, stdout, stderr io.Writer) (code int) {
	// The end of a Runner must not end a hook in the middle.
	signal.Ignore(syscall.SIGPIPE)
	env := payload.NewEnvironment(environ)
	_, hooked := env[envPayload]
	now := time.Now()
	c := &call{
		began: now, lapped: now, env: env, exit: newExit(env),
		stdout: wary.Writer(stdout), stderr: wary.Writer(stderr), raw: streams{stdout, stderr},
		log: &joblog.Log{Out: stderr, Colour: hooked},
	}
	var err error
	defer func() {
		if r := recover(); r != nil {
			err = &group.Panic{Value: r, Stack: debug.Stack()}
			code = c.code(err)
		}
		c.conclude(err)
	}()
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	err = fault.Once(root.ExecuteContext(context.Background()))
	return c.code(err)
}

func (c *call) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gitlab-dind-executor",
		Short: "A Docker daemon of its own for every GitLab CI job",
		Long: "A driver for GitLab Runner's custom executor. Each job gets a docker:dind sidecar of its\n" +
			"own over mutual TLS, next to an unprivileged job container.",
		Version:       label.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&c.settingsFile, "settings", "", "settings `FILE` (default "+config.DefaultPath+")")
	root.PersistentFlags().StringVar(&c.traceFile, "trace", "", "append a timeline that Perfetto opens to a `FILE`, or to a file for each job in a directory (default $"+envTrace+")")
	root.PersistentFlags().BoolVar(&c.alone, "alone", false, "for a job that leaves nothing and shares nothing with a Runner's")
	_ = root.PersistentFlags().MarkHidden("alone") // the flag exists
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		c.begin(cmd)
		c.traced(cmd)
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fault.System(err, cmd.CommandPath()+" --help lists its flags")
	})
	root.AddCommand(
		c.hook("config", "config", "Answer the Runner's config call", cobra.NoArgs, c.configHook),
		c.hook("prepare", "prepare", "Prepare the sandbox and the job's containers", cobra.NoArgs, c.prepareHook),
		c.hook("run", "run SCRIPT STAGE", "Run one stage's script", cobra.ExactArgs(2), c.runHook),
		c.hook("cleanup", "cleanup", "Remove all that the job has", cobra.NoArgs, c.cleanupHook),
		c.finishCommand(),
		c.settleCommand(),
		c.fetchCommand(),
		c.gcCommand(),
		c.drainCommand(),
		c.poolCommand(),
		c.doctorCommand(),
		c.tryCommand(),
		c.registerCommand(),
		c.mirrorCommand(),
		c.prepullCommand(),
		c.seedCommand(),
		c.plantSeedCommand(),
		c.relayNamesCommand(),
		c.sealSeedCommand(),
		c.clearDataRootCommand(),
		c.emptyVolumeCommand(),
		c.copyDataRootCommand(),
		c.metricsCommand(),
		c.settingsCommand(),
		c.explainCommand(),
		c.statusCommand(),
		c.logsCommand(),
		c.shellCommand(),
		c.versionCommand(),
	)
	root.SetHelpCommand(c.helpCommand())
	root.SetHelpCommandGroupID(usage.SetUp)
	hinted(root)
	usage.Arrange(root)
	return root
}

func (c *call) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.stdout, label.Version)
			return err
		},
	}
}

// helpCommand fails for a command that is not there, where cobra's own shows the help
// of the program and calls that a success.
func (c *call) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]...", Short: "Show the help of a command", Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return fault.System(fmt.Errorf("there is no command %q", strings.Join(args, " ")), cmd.Root().Name()+" --help lists the commands")
			}
			return about.Help()
		},
	}
}

// hinted gives a command and its subcommands a hint for arguments that do not fit.
func hinted(cmd *cobra.Command) {
	args := cmd.Args
	if args == nil {
		args = cobra.ArbitraryArgs
	}
	cmd.Args = func(cmd *cobra.Command, list []string) error {
		if err := args(cmd, list); err != nil {
			return fault.System(err, "usage: "+cmd.UseLine())
		}
		return nil
	}
	if cmd.HasSubCommands() {
		cmd.SuggestionsMinimumDistance = 2
		// cobra alone would show its help and call that a success, or add lines of its own
		// to the error.
		cmd.Args = func(cmd *cobra.Command, list []string) error {
			if len(list) == 0 {
				return nil
			}
			hint := cmd.CommandPath() + " --help lists its commands"
			if near := cmd.SuggestionsFor(list[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return fault.System(fmt.Errorf("unknown command %q for %q", list[0], cmd.CommandPath()), hint)
		}
		if cmd.RunE == nil {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	for _, sub := range cmd.Commands() {
		hinted(sub)
	}
}

// Commands returns the command line, for manual pages and for the tests of the
// documentation. Nobody should run the result.
func Commands() *cobra.Command { return (&call{}).root() }

// hook makes the command of a hook. All hooks but cleanup end when told to.
func (c *call) hook(name, use, short string, args cobra.PositionalArgs, run func(context.Context, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			// A Runner gets SIGQUIT to end after its last job. systemd may send the signal
			// to all processes of the Runner's unit.
			signal.Ignore(syscall.SIGQUIT)
			ctx, stop := cmd.Context(), func() {}
			if name == "cleanup" {
				signal.Ignore(syscall.SIGTERM, os.Interrupt)
			} else {
				ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
			}
			defer stop()
			return run(ctx, args)
		},
	}
}

// onEngine makes an admin's command with settings, engine and a bound on its time.
func (c *call) onEngine(bound func(config.Settings) time.Duration, run func(context.Context, config.Settings, *driver.Driver) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		s, d, err := c.open()
		if err != nil {
			return err
		}
		defer d.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), bound(s))
		defer cancel()
		return run(ctx, s, d)
	}
}

// untilTold is onEngine without a bound: the command ends when told to.
func (c *call) untilTold(run func(context.Context, config.Settings, *driver.Driver) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		s, d, err := c.open()
		if err != nil {
			return err
		}
		defer d.Close()
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		return run(ctx, s, d)
	}
}

// look is the work of a command that shows something.
type look = func(context.Context, config.Settings, *driver.Driver) error

// listCommand is an admin's command that lists what there is, as JSON where a program
// reads it.
func (c *call) listCommand(use, short string, list func(asJSON bool) look) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: c.onEngine(within(gcBound), func(ctx context.Context, s config.Settings, d *driver.Driver) error {
			return list(asJSON)(ctx, s, d)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *call) printJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// within returns a bound that no setting changes.
func within(d time.Duration) func(config.Settings) time.Duration {
	return func(config.Settings) time.Duration { return d }
}
