package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// authVariable is the job's own source of credentials, as a variable or a file
// variable: in a hook's environment both hold the content.
const authVariable = "DOCKER_AUTH_CONFIG"

// helperTimeout bounds a credential helper's run, since prepare waits.
const helperTimeout = 30 * time.Second

// dockerHub is the key of the Docker Hub's credentials in files of Docker's own tools.
const dockerHub = "https://index.docker.io/v1/"

// Credentials collects the job's credentials for registries, in GitLab Runner's order of
// sources: DOCKER_AUTH_CONFIG, the Runner user's config.json, the payload. A broken source
// is left out with a warning, since the job may need none of its credentials. Helpers are
// asked about hosts only. jobHelpers are the helpers that a job may name.
func Credentials(ctx context.Context, p *payload.Job, env payload.Environment, hosts, jobHelpers []string, warn func(string)) []plan.Credential {
	var all []plan.Credential
	if src := env.Variable(authVariable); src != "" {
		file := configfile.New("")
		if err := file.LoadFromReader(strings.NewReader(src)); err != nil {
			warn("DOCKER_AUTH_CONFIG is not used: it is no valid Docker configuration")
		} else {
			for _, h := range forbiddenHelpers(file, jobHelpers) {
				warn(fmt.Sprintf("DOCKER_AUTH_CONFIG names the credential helper %q, which pull.credential_helpers of this runner does not allow", h))
			}
			all = append(all, fromFile(ctx, file, hosts, warn)...)
		}
	}
	all = append(all, OfUser(ctx, env, hosts, warn)...)
	for _, c := range p.Credentials {
		if c.Type == "registry" {
			all = append(all, plan.Credential{Host: c.URL, Username: c.Username, Password: plan.NewSecret(c.Password)})
		}
	}
	return all
}

// OfUser returns the credentials in the config.json of the calling user. warn gets the
// reason why an existing file gives none.
func OfUser(ctx context.Context, env payload.Environment, hosts []string, warn func(string)) []plan.Credential {
	name := userConfig(env)
	f, err := hostfile.OpenNamed(name)
	switch {
	case err == nil:
	case name == "" || errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		warn(fmt.Sprintf("%s of this runner's host is not used: %s", name, fault.Line(err)))
		return nil
	}
	defer f.Close()
	file := configfile.New(name)
	if err := file.LoadFromReader(io.LimitReader(f, maxDockerConfig)); err != nil {
		warn(name + " of this runner's host is not used: it is no valid Docker configuration")
		return nil
	}
	return fromFile(ctx, file, hosts, warn)
}

// maxDockerConfig bounds a Docker configuration, in bytes.
const maxDockerConfig = 4 << 20

// userConfig is the Docker configuration of the Runner's user.
func userConfig(env payload.Environment) string {
	if dir := env["DOCKER_CONFIG"]; dir != "" {
		return filepath.Join(dir, "config.json")
	}
	if home := env["HOME"]; home != "" {
		return filepath.Join(home, ".docker", "config.json")
	}
	return ""
}

// forbiddenHelpers takes helpers that the admin does not allow out of a job's
// configuration, and returns their names. A helper runs on the host, with the host's
// rights.
func forbiddenHelpers(file *configfile.ConfigFile, allowed []string) []string {
	var out []string
	if h := file.CredentialsStore; h != "" && !slices.Contains(allowed, h) {
		file.CredentialsStore = ""
		out = append(out, h)
	}
	for host, h := range file.CredentialHelpers {
		if !slices.Contains(allowed, h) {
			delete(file.CredentialHelpers, host)
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fromFile takes the credentials out of a Docker configuration: the written ones, and its
// helpers' answers about the hosts.
func fromFile(ctx context.Context, file *configfile.ConfigFile, hosts []string, warn func(string)) []plan.Credential {
	var all []plan.Credential
	for host, auth := range file.AuthConfigs {
		if auth.Username != "" || auth.IdentityToken != "" {
			all = append(all, credential(host, auth))
		}
	}
	slices.SortFunc(all, func(a, b plan.Credential) int { return cmp.Compare(a.Host, b.Host) })
	for _, host := range hosts {
		key := host
		if host == "docker.io" {
			key = dockerHub
		}
		helper := cmp.Or(file.CredentialHelpers[key], file.CredentialHelpers[host], file.CredentialsStore)
		if helper == "" || filepath.Base(helper) != helper {
			continue
		}
		auth, err := ask(ctx, file, key)
		switch {
		case err != nil:
			warn(fmt.Sprintf("credential helper %q has nothing for %s: %s", helper, host, fault.Line(err)))
		case auth.Username != "" || auth.IdentityToken != "":
			all = append(all, credential(host, auth))
		}
	}
	return all
}

// ask runs a credential helper. The library takes no context, so ask leaves a hanging
// helper behind. The helper ends with the hook at the latest.
func ask(ctx context.Context, file *configfile.ConfigFile, key string) (types.AuthConfig, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	type answer struct {
		auth types.AuthConfig
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		auth, err := file.GetAuthConfig(key)
		answered <- answer{auth, err}
	}()
	select {
	case a := <-answered:
		return a.auth, a.err
	case <-ctx.Done():
		return types.AuthConfig{}, ctx.Err()
	}
}

func credential(host string, auth types.AuthConfig) plan.Credential {
	return plan.Credential{
		Host: host, Username: auth.Username,
		Password: plan.NewSecret(auth.Password), IdentityToken: plan.NewSecret(auth.IdentityToken),
	}
}

// ForAdmin replaces a pull's hint for the author of a pipeline by a hint for an admin.
func ForAdmin(err error) error {
	if hint := fault.HintOf(err); strings.Contains(hint, "DOCKER_AUTH_CONFIG") || strings.Contains(hint, "the job's credentials") {
		return fault.System(err, "check the name in the settings, or log in with docker login as the user that this runs as")
	}
	return err
}
