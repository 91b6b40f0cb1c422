package payload

import (
	"net/url"
	"strings"
)

// Secrets returns the values that must not be in a bundle: variables that are not public or
// that GitLab masks, credentials and tokens.
func Secrets(p *Job, env Environment) []string {
	var secrets []string
	public := map[string]bool{}
	for _, v := range p.Variables {
		public[v.Key] = v.Public && !v.Masked
		if !public[v.Key] {
			secrets = append(secrets, v.Value)
		}
	}
	for _, k := range predefined {
		public[k] = true
	}
	for k, v := range env {
		if key, ok := strings.CutPrefix(k, envVariable); ok && !public[key] {
			secrets = append(secrets, v)
		}
	}
	for _, s := range p.Services {
		for _, v := range s.Variables {
			if !v.Public || v.Masked {
				secrets = append(secrets, v.Value)
			}
		}
	}
	for _, c := range p.Credentials {
		secrets = append(secrets, c.Password)
	}
	if u, err := url.Parse(p.GitInfo.RepoURL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password)
	}
	return append(secrets, p.Token)
}
