package plan

import (
	"path"
	"strings"
	"testing"
)

// For any pipeline there is a plan or a fault, and the policies hold.
func FuzzBuildNeverPanics(f *testing.F) {
	f.Add("docker:latest", "docker:dind", "docker", "--mtu=1400", "tcp://docker:2376", "/certs")
	f.Add("", "", "", "", "", "")
	f.Add("$X", "docker:$X-dind", "docker, dind", "--host=tcp://0.0.0.0:2375", "tcp://docker:2375", "")
	f.Add("a@sha256:"+strings.Repeat("a", 64), "docker", strings.Repeat("a", 300), "-H", "tcp://[::1", "certs")
	f.Add("../../etc", "evil/docker:dind", "-\x00", "=", "%zz", "//")
	f.Add("a:b:c", "docker:dind ", "docker\ndocker", "dockerd", "unix://", "/..")
	f.Fuzz(func(t *testing.T, image, service, alias, arg, host, certs string) {
		s, job, facts := example()
		job.Image.Name = image
		job.Services = []Service{{Image: Image{Name: service}, Aliases: Words(alias), Command: []string{arg}}, named("redis:7", alias)}
		job.Variables = vars("DOCKER_HOST="+host, "DOCKER_TLS_CERTDIR="+certs, "DOCKER_CERT_PATH="+certs)
		p, err := Build(s, job, facts)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		if p.Sidecar.Image.Name != s.Sidecar.Image && !allowed(s.Sidecar.AllowedImages, p.Sidecar.Image.Name) {
			t.Errorf("image %q is privileged", p.Sidecar.Image.Name)
		}
		p.each(func(c *Container) {
			if c.Privileged != (c.Role == RoleSidecar) {
				t.Errorf("%s: privileged is %t", c.Role, c.Privileged)
			}
			for _, a := range c.Aliases {
				if !validAlias.MatchString(a) {
					t.Errorf("%s answers to %q", c.Role, a)
				}
			}
		})
		for _, dir := range p.Job.CertDirs {
			if !path.IsAbs(dir) || path.Clean(dir) != dir {
				t.Errorf("certificates would go to %q", dir)
			}
		}
	})
}
