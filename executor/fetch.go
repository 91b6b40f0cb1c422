package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
)

// maxFetch bounds the command's input, in bytes: a credential can be long.
const maxFetch = 1 << 20

// toFetch is an image on its way to the process that fetches it. The credentials must not
// appear in a message or on a command line.
type toFetch struct {
	Name, Platform                          string
	Host, Username, Password, IdentityToken string
}

// fetchBehind starts a process that fetches images for the next job, with this job's
// credentials. The credentials go through memory alone. A failure is no matter of the
// job's.
func (c *call) fetchBehind(refs []plan.ImageRef) {
	if len(refs) == 0 {
		return
	}
	var list []toFetch
	for _, r := range refs {
		one := toFetch{Name: r.Name, Platform: r.Platform}
		if a := r.Auth; a != nil {
			one.Host, one.Username, one.Password, one.IdentityToken = a.Host, a.Username, a.Password.Reveal(), a.IdentityToken.Reveal()
		}
		list = append(list, one)
	}
	if text, err := json.Marshal(list); err == nil {
		_ = c.behind(text, "fetch")
	}
}

// fetchCommand is the command that fetchBehind starts.
func (c *call) fetchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "fetch", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var list []toFetch
			if err := json.NewDecoder(io.LimitReader(cmd.InOrStdin(), maxFetch)).Decode(&list); err != nil {
				return fmt.Errorf("reading what to fetch: %w", err)
			}
			return c.onEngine(func(s config.Settings) time.Duration { return s.Pull.Timeout.Std() }, func(ctx context.Context, s config.Settings, d *driver.Driver) error {
				var refs []plan.ImageRef
				for _, one := range list {
					r := plan.ImageRef{Name: one.Name, Platform: one.Platform}
					if one.Host != "" {
						r.Auth = &plan.Credential{Host: one.Host, Username: one.Username, Password: plan.NewSecret(one.Password), IdentityToken: plan.NewSecret(one.IdentityToken)}
					}
					refs = append(refs, r)
				}
				return d.Newer(ctx, refs, s.Pull.Timeout.Std(), s.Pull.Attempts)
			})(cmd, args)
		},
	}
}
