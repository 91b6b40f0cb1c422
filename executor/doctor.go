package executor

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/runnerconfig"
	"gitlab-dind-executor/executor/visit"
)

// ailing is the error of a doctor with findings.
type ailing struct{ worst doctor.Level }

func (a ailing) Error() string { return "not all is well" }

// Exit codes of doctor beside 0.
const (
	codeDoubt  = 1
	codeFailed = 2
)

// imageBound bounds a question about an image. Tests shorten the bound.
var imageBound = 30 * time.Second

func (c *call) doctorCommand() *cobra.Command {
	var asJSON bool
	var v visit.Host
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this host: one line a check, each fault with its hint",
		Long: "Checks the settings, the Runner's config.toml, the engine and its address pools. It\n" +
			"checks free space, leftovers, images, registries and the mirror. It boots a sandbox as\n" +
			"jobs get it, builds an image in it, and tries whether jobs reach this host's own\n" +
			"services. Run doctor as the Runner's user, or as root.\n\n" +
			"Nothing stays behind but fetched images. A check that depends on a failed check is\n" +
			"skipped, and doctor says so. The exit code is 0 if all is well, 1 with warnings, 2 with\n" +
			"errors.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v.SettingsFile, v.Env, v.ImageBound, v.Say = c.settingsFile, c.env, imageBound, c.log.Say
			v.Plan = func(ctx context.Context, d *driver.Driver, s config.Settings, version string) (*plan.Plan, error) {
				return c.defaultPlan(ctx, d, s, version)
			}
			defer v.Close()
			// An interrupted doctor leaves no sandbox behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			found := doctor.Examine(ctx, v.Checks(), func(f doctor.Finding) {
				if !asJSON {
					f.Line(c.stdout)
				}
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if asJSON {
				if err := doctor.JSON(c.stdout, found); err != nil {
					return err
				}
			}
			if worst := doctor.Worst(found); worst != doctor.OK {
				return ailing{worst}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&v.Version, "runner-version", "", "the `VERSION` of GitLab Runner, for helper.image (default: that of the gitlab-runner on this host)")
	cmd.Flags().StringVar(&v.RunnerConfig, "runner-config", "", "the Runner's config.toml `FILE` (default "+runnerconfig.SystemPath+", then ~/.gitlab-runner/config.toml)")
	return cmd
}
