package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func named(name string, alias ...string) Service {
	return Service{Image: Image{Name: name}, Aliases: alias}
}

func TestWhichServiceIsTheDockerDaemon(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		service Service
		want    bool
	}{
		"the official image":                           {named("docker:dind"), true},
		"the official image with a version":            {named("docker:28.1.1-dind-alpine3.21"), true},
		"the official image by digest":                 {named("docker:dind" + digest), true},
		"the official image without a tag":             {named("docker"), true},
		"the official rootless image":                  {named("docker:dind-rootless"), true},
		"an own image with the official name":          {named("registry.example.com:5050/group/project/docker:20.10.16-dind"), true},
		"an own image with dind in its name":           {named("registry.example.com/group/my-dind:1"), true},
		"an image of any name with the alias docker":   {named("registry.example.com/group/engine:1", "docker"), true},
		"the alias docker among others":                {named("registry.example.com/group/engine:1", "build", "docker"), true},
		"the docker CLI":                               {named("docker:28-cli"), false},
		"the docker CLI with git":                      {named("docker:git"), false},
		"a database":                                   {named("postgres:16", "db"), false},
		"dind in the registry's name only":             {named("dind.example.com/redis:7"), false},
		"dind in the group's name only":                {named("registry.example.com/dind/redis:7"), false},
		"docker as the beginning of a name":            {named("tecnativa/docker-socket-proxy:latest"), false},
		"a name that is no image":                      {named("$CI_REGISTRY/docker:dind"), false},
		"a name that is no image with the alias":       {named("$CI_REGISTRY/docker:dind", "docker"), true},
		"nothing at all":                               {Service{}, false},
		"an alias that only begins with the name":      {named("redis:7", "docker-cache"), false},
		"a registry with a port and no tag in the end": {named("docker.example.com:5000/redis"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := IsDind(c.service); got != c.want {
				t.Errorf("%s %q: %t", c.service.Name, c.service.Aliases, got)
			}
		})
	}
}

func TestServicesAreSplitIntoDaemonAndOthers(t *testing.T) {
	redis, postgres, dind := named("redis:7"), named("postgres:16"), named("docker:dind")
	for name, c := range map[string]struct {
		all      []Service
		declared string
		others   []Service
	}{
		"none":                     {nil, "", nil},
		"only others":              {[]Service{redis, postgres}, "", []Service{redis, postgres}},
		"the daemon alone":         {[]Service{dind}, "docker:dind", nil},
		"the daemon between them":  {[]Service{redis, dind, postgres}, "docker:dind", []Service{redis, postgres}},
		"the CLI image is no dind": {[]Service{dind, named("docker:cli")}, "docker:dind", []Service{named("docker:cli")}},
	} {
		t.Run(name, func(t *testing.T) {
			declared, others, _, err := splitServices(c.all)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if declared != nil {
				got = declared.Name
			}
			if got != c.declared {
				t.Errorf("the daemon is %q, want %q", got, c.declared)
			}
			if diff := cmp.Diff(c.others, others); diff != "" {
				t.Errorf("others (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTwoDockerDaemonsAreAFaultOfTheJob(t *testing.T) {
	_, _, _, err := splitServices([]Service{named("docker:dind"), named("redis:7"), named("registry.example.com/other:1", "docker")})
	if err == nil || !fault.IsOfJob(err) || fault.HintOf(err) == "" {
		t.Fatalf("error %v, of job %t, hint %q", err, fault.IsOfJob(err), fault.HintOf(err))
	}
	for _, image := range []string{"docker:dind", "registry.example.com/other:1"} {
		if !strings.Contains(err.Error(), image) {
			t.Errorf("%q does not name %s", err, image)
		}
	}
}

func TestNamesThatAServiceAnswersTo(t *testing.T) {
	for name, c := range map[string]struct {
		service Service
		want    []string
	}{
		"an official image has one name":           {named("redis:7"), []string{"redis"}},
		"a path gives two forms":                   {named("tutum/wordpress:latest"), []string{"tutum__wordpress", "tutum-wordpress"}},
		"a registry's port is left out":            {named("registry.example.com:5050/group/db:1"), []string{"registry.example.com__group__db", "registry.example.com-group-db"}},
		"aliases come after them":                  {named("redis:7", "cache", "redis-main"), []string{"redis", "cache", "redis-main"}},
		"an alias like the image's name, once":     {named("redis:7", "redis"), []string{"redis"}},
		"what is no host name is left out":         {named("redis:7", "-x", "a b", "a/b", "ü", "", ".", "ok.example"), []string{"redis", "ok.example"}},
		"a name that is too long is left out":      {named("redis:7", strings.Repeat("a", 254)), []string{"redis"}},
		"an image by digest":                       {named("redis@sha256:" + strings.Repeat("a", 64)), []string{"redis"}},
		"a name that no image can have gives none": {named("Redis:7", "cache"), []string{"cache"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, aliases(c.service)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPatternsThatAllowAnImage(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	standard := config.Default().Sidecar.AllowedImages
	for name, c := range map[string]struct {
		patterns []string
		image    string
		want     bool
	}{
		"the short name of the official image":             {standard, "docker:dind", true},
		"its full name":                                    {standard, "docker.io/library/docker:28-dind", true},
		"without a tag it is latest":                       {standard, "docker", true},
		"by digest":                                        {standard, "docker" + digest, true},
		"by tag and digest":                                {standard, "docker:dind" + digest, true},
		"another image of the same registry":               {standard, "redis:7", false},
		"another user's image called docker":               {standard, "mallory/docker:dind", false},
		"another registry's library":                       {standard, "evil.example.com/library/docker:dind", false},
		"a registry that ends alike":                       {standard, "evil.docker.io/library/docker:dind", false},
		"a longer name":                                    {standard, "docker-evil:dind", false},
		"a name that is no image":                          {standard, "docker.io/library/docker:$TAG", false},
		"no pattern allows nothing":                        {nil, "docker:dind", false},
		"two stars cross slashes":                          {[]string{"r.example.com/group/**/docker:*-dind"}, "r.example.com/group/a/b/docker:1-dind", true},
		"two stars match nothing as well":                  {[]string{"r.example.com/group/**/docker:*-dind"}, "r.example.com/group/docker:1-dind", true},
		"one star stops at a slash":                        {[]string{"r.example.com/group/*:*"}, "r.example.com/group/a/docker:1", false},
		"a pattern counts from the beginning":              {[]string{"group/**"}, "r.example.com/group/docker:1", false},
		"a port is part of the registry's name":            {[]string{"r.example.com/**"}, "r.example.com:5050/docker:1", false},
		"a tag that a pattern does not hold":               {[]string{"r.example.com/docker:*-dind"}, "r.example.com/docker:1", false},
		"the docker hub's old name":                        {standard, "index.docker.io/library/docker:dind", true},
		"a pattern of one exact image":                     {[]string{"docker.io/library/docker:28-dind"}, "docker:28-dind", true},
		"a pattern of one exact image and its neighbour":   {[]string{"docker.io/library/docker:28-dind"}, "docker:28.1-dind", false},
		"short names in patterns match nothing, so say it": {[]string{"docker:*"}, "docker:dind", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := allowed(c.patterns, c.image); got != c.want {
				t.Errorf("%q against %q: %t", c.image, c.patterns, got)
			}
		})
	}
}

func TestAServiceSeesPublicVariablesAndItsOwn(t *testing.T) {
	s, job, facts := example()
	job.Variables = append(vars("CI=true", "MODE=job"), Variable{Key: "TOKEN", Value: "secret"})
	job.Services = []Service{{
		Image: Image{Name: "redis:7", Entrypoint: []string{"/e"}, User: "redis"}, Command: []string{"--x"},
		Variables: vars("MODE=service"), Aliases: []string{"cache"},
	}}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	got := p.Services[0]
	if diff := cmp.Diff([]string{"CI=true", "MODE=job", "MODE=service"}, got.Environment); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Privileged || got.User != "redis" || !slices.Equal(got.Entrypoint, []string{"/e"}) || !slices.Equal(got.Command, []string{"--x"}) {
		t.Errorf("not as declared: %+v", got)
	}
}

// Otherwise half of the job's calls would go to the wrong container.
func TestOnlyTheSidecarAnswersToDocker(t *testing.T) {
	s, job, facts := example()
	for _, image := range []string{"docker:cli", "docker:28-git"} {
		job.Services = []Service{named(image, "tools")}
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(p.Sidecar.Aliases, "docker") {
			t.Errorf("the sidecar's names are %q", p.Sidecar.Aliases)
		}
		if got := p.Services[0].Aliases; !slices.Equal(got, []string{"tools"}) {
			t.Errorf("the names of service %s are %q", image, got)
		}
	}
}

// The services get them as with the volumes of GitLab's documentation.
func TestServicesGetTheClientsCertificates(t *testing.T) {
	for name, c := range map[string]struct {
		job, own []Variable
		declared []Service
		mount    string
		copies   []string
	}{
		"one that says nothing":           {mount: ClientCerts},
		"the variables of GitLab's pages": {job: vars("DOCKER_HOST=tcp://docker:2376", "DOCKER_TLS_CERTDIR=/certs", "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=/certs/client"), mount: ClientCerts},
		"variables of its own":            {own: vars("DOCKER_HOST=tcp://docker:2376", "DOCKER_CERT_PATH=/my/certs"), mount: ClientCerts, copies: []string{"/my/certs"}},
		"another directory of the job's":  {job: vars("DOCKER_TLS_CERTDIR=/other"), copies: []string{"/other/client"}},
		"another daemon":                  {job: vars("DOCKER_HOST=tcp://prod.example.com:2376", "DOCKER_TLS_CERTDIR=/certs")},
		"another daemon of its own":       {own: vars("DOCKER_HOST=tcp://prod.example.com:2376", "DOCKER_CERT_PATH=/certs/client")},
		"variables that it does not see":  {job: []Variable{{Key: "DOCKER_CERT_PATH", Value: "/secret"}}, mount: ClientCerts},
		"a daemon without TLS":            {job: vars("DOCKER_TLS_CERTDIR=")},
		"a dind service without TLS":      {declared: []Service{{Image: Image{Name: "docker:dind"}, Command: []string{"--tls=false"}}}},
		"a dind service of another name":  {job: vars("DOCKER_HOST=tcp://engine:2376"), declared: []Service{named("docker:dind", "engine")}, mount: ClientCerts},
	} {
		s, job, facts := example()
		job.Variables = c.job
		job.Services = append(c.declared, Service{Image: Image{Name: "localstack/localstack:4"}, Variables: c.own})
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		got := p.Services[0]
		if got.CertsPath != c.mount || !slices.Equal(got.CertDirs, c.copies) {
			t.Errorf("%s: certificates at %q and %q, want %q and %q", name, got.CertsPath, got.CertDirs, c.mount, c.copies)
		}
	}
}

func TestTheSameDaemonTwiceIsOne(t *testing.T) {
	dind := func(change func(*Service)) Service {
		s := Service{Image: Image{Name: "docker:28-dind"}, Command: []string{"--mtu=1400"}, Variables: vars("A=1")}
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		second Service
		one    bool
	}{
		"the same":                          {dind(func(*Service) {}), true},
		"with another name":                 {dind(func(s *Service) { s.Aliases = []string{"docker", "dind"} }), true},
		"its image's full name":             {dind(func(s *Service) { s.Name = "docker.io/library/docker:28-dind" }), true},
		"a variable that was said twice":    {dind(func(s *Service) { s.Variables = vars("A=2", "A=1") }), true},
		"another version":                   {dind(func(s *Service) { s.Name = "docker:27-dind" }), false},
		"another command":                   {dind(func(s *Service) { s.Command = nil }), false},
		"another entrypoint":                {dind(func(s *Service) { s.Entrypoint = []string{""} }), false},
		"an empty entrypoint is not no one": {dind(func(s *Service) { s.Entrypoint = []string{} }), false},
		"another variable":                  {dind(func(s *Service) { s.Variables = vars("A=2") }), false},
		"one variable more":                 {dind(func(s *Service) { s.Variables = vars("A=1", "DOCKER_TLS_CERTDIR=") }), false},
		"another user":                      {dind(func(s *Service) { s.User = "1000" }), false},
		"another platform":                  {dind(func(s *Service) { s.Platform = "linux/arm64" }), false},
		"another pull policy":               {dind(func(s *Service) { s.PullPolicies = []string{"never"} }), false},
	} {
		s, job, facts := example()
		s.Pull.AllowedPolicies = []string{"never", "always"}
		job.Services = []Service{dind(func(*Service) {}), named("redis:7"), c.second}
		p, err := Build(s, job, facts)
		if !c.one {
			if err == nil || !fault.IsOfJob(err) || !strings.Contains(err.Error(), "docker:28-dind") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || len(p.Services) != 1 || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "docker:28-dind is there more than once") {
			t.Errorf("%s: %v, plan %+v", name, err, p)
			continue
		}
		for _, alias := range c.second.Aliases {
			if !slices.Contains(p.Sidecar.Aliases, alias) || !slices.Contains(p.Sidecar.TLS.Names, alias) {
				t.Errorf("%s: it answers to %q", name, p.Sidecar.Aliases)
			}
		}
	}
}
