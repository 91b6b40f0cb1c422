package plan

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
)

func TestProxiesOfAContainer(t *testing.T) {
	settings := config.Proxy{HTTP: "http://p:1", HTTPS: "http://p:2", NoProxy: "example.com"}
	direct := []string{"docker", "localhost"}
	for name, c := range map[string]struct {
		settings config.Proxy
		own      string
		want     string
	}{
		"none at all":                      {},
		"a NO_PROXY alone changes nothing": {own: "NO_PROXY=a.example.com"},
		"the settings'": {
			settings, "",
			"HTTP_PROXY=http://p:1 http_proxy=http://p:1 HTTPS_PROXY=http://p:2 https_proxy=http://p:2 NO_PROXY=example.com,docker,localhost no_proxy=example.com,docker,localhost",
		},
		"own ones win in both cases of letters": {
			settings, "HTTP_PROXY=http://own",
			"HTTPS_PROXY=http://p:2 https_proxy=http://p:2 NO_PROXY=example.com,docker,localhost no_proxy=example.com,docker,localhost",
		},
		"the same in small letters": {
			settings, "https_proxy=http://own",
			"HTTP_PROXY=http://p:1 http_proxy=http://p:1 NO_PROXY=example.com,docker,localhost no_proxy=example.com,docker,localhost",
		},
		"an empty one of one's own means none": {
			config.Proxy{HTTP: "http://p:1", NoProxy: "example.com"}, "HTTP_PROXY=", "",
		},
		"own ones without settings": {
			config.Proxy{}, "HTTP_PROXY=http://own", "NO_PROXY=docker,localhost no_proxy=docker,localhost",
		},
		"a proxy for everything": {
			config.Proxy{}, "ALL_PROXY=socks5://own", "NO_PROXY=docker,localhost no_proxy=docker,localhost",
		},
		"an own NO_PROXY is added to, for both": {
			settings, "NO_PROXY=own.example.com",
			"HTTP_PROXY=http://p:1 http_proxy=http://p:1 HTTPS_PROXY=http://p:2 https_proxy=http://p:2 NO_PROXY=own.example.com,docker,localhost no_proxy=own.example.com,docker,localhost",
		},
		"what is named is not named twice": {
			config.Proxy{}, "HTTP_PROXY=http://own no_proxy=localhost,docker,.corp", "NO_PROXY=localhost,docker,.corp no_proxy=localhost,docker,.corp",
		},
		"each of two of one's own": {
			config.Proxy{}, "HTTP_PROXY=http://own NO_PROXY=a no_proxy=b", "NO_PROXY=a,docker,localhost no_proxy=b,docker,localhost",
		},
		"all is direct already": {
			config.Proxy{}, "HTTP_PROXY=http://own NO_PROXY=*", "NO_PROXY=*,docker,localhost no_proxy=*,docker,localhost",
		},
	} {
		t.Run(name, func(t *testing.T) {
			own := env(strings.Fields(c.own))
			before := maps.Clone(own)
			got := proxies(c.settings, own, direct)
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, own); diff != "" {
				t.Errorf("own was changed:\n%s", diff)
			}
		})
	}
}

func TestWhoGetsWhichProxies(t *testing.T) {
	s, job, facts := example()
	s.Proxy.HTTPS = "http://settings"
	job.Services = []Service{
		{Image: Image{Name: "docker:dind"}, Aliases: []string{"daemon"}, Variables: vars("https_proxy=http://service")},
		{Image: Image{Name: "postgres:17"}, Aliases: []string{"db"}},
	}
	job.Variables = append(vars("HTTP_PROXY=http://job"), Variable{Key: "ALL_PROXY", Value: "http://hidden"})
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	pick := func(list []string) map[string]string {
		m := env(list)
		maps.DeleteFunc(m, func(k, _ string) bool { return !strings.Contains(strings.ToLower(k), "proxy") })
		return m
	}
	always := "docker,daemon,localhost,127.0.0.1,10.231.0.0/16"
	for name, c := range map[string]struct {
		got  []string
		want map[string]string
	}{
		"the daemon gets the job's public ones, and its own before the settings'": {p.Sidecar.Environment, map[string]string{
			"HTTP_PROXY": "http://job", "https_proxy": "http://service", "NO_PROXY": always, "no_proxy": always,
		}},
		"the job gets its own, and the settings' where it has none": {p.Job.Environment, map[string]string{
			"HTTP_PROXY": "http://job", "ALL_PROXY": "http://hidden", "HTTPS_PROXY": "http://settings", "https_proxy": "http://settings",
			"NO_PROXY": "docker,daemon,postgres,db,localhost,127.0.0.1,10.231.0.0/16", "no_proxy": "docker,daemon,postgres,db,localhost,127.0.0.1,10.231.0.0/16",
		}},
		"the helper, which may serve any job, gets the settings'": {p.Helper.Environment, map[string]string{
			"HTTPS_PROXY": "http://settings", "https_proxy": "http://settings",
			"NO_PROXY": "localhost,127.0.0.1,10.231.0.0/16", "no_proxy": "localhost,127.0.0.1,10.231.0.0/16",
		}},
	} {
		if diff := cmp.Diff(c.want, pick(c.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if p.Job.Direct != "" {
		t.Errorf("the scripts export no NO_PROXY, so need no %q", p.Job.Direct)
	}
	job.Variables = append(job.Variables, vars("NO_PROXY=corp.example.com")...)
	if p, err = Build(s, job, facts); err != nil || p.Job.Direct != "docker,daemon,postgres,db,localhost,127.0.0.1,10.231.0.0/16" {
		t.Errorf("the scripts would add %q: %v", p.Job.Direct, err)
	}
	s.Network.IPv6 = true
	if p, err = Build(s, job, facts); err != nil || !strings.HasSuffix(p.Job.Direct, ",::1,fd6b:3f2a:91c7::/48") {
		t.Errorf("with IPv6 the scripts would add %q: %v", p.Job.Direct, err)
	}
}

func TestScriptsExportWhatIsReachedDirectly(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"quoted as a whole": {
			`: | eval $'export CI=true\nexport NO_PROXY=a\nexport no_proxy=\nexport HTTP_PROXY=x\n'`,
			`: | eval $'export CI=true\nexport NO_PROXY=docker,a\nexport no_proxy=docker,\nexport HTTP_PROXY=x\n'`,
		},
		"a value that is quoted itself": {
			`: | eval $'export CI=true\nexport NO_PROXY=$\'a b\'\n'`,
			`: | eval $'export CI=true\nexport NO_PROXY=docker,$\'a b\'\n'`,
		},
		"in lines": {"export CI=true\nexport NO_PROXY=a\n", "export CI=true\nexport NO_PROXY=docker,a\n"},
		"twice, as the Runner's own and the job's": {
			`$'export CI=\nexport NO_PROXY=\nexport NO_PROXY=b\n'`, `$'export CI=\nexport NO_PROXY=docker,\nexport NO_PROXY=docker,b\n'`,
		},
		"the text in another variable's value": {
			`$'export A=$\'x\\nexport NO_PROXY=a\'\n'`, `$'export A=$\'x\\nexport NO_PROXY=a\'\n'`,
		},
		"a longer name": {"\nexport NO_PROXY_X=a\nexport MY_NO_PROXY=a\n", "\nexport NO_PROXY_X=a\nexport MY_NO_PROXY=a\n"},
		"the pipeline's own lines": {
			`$'export CI=\nexport NO_PROXY=a\necho $\'\\x1b[32;1m$ export NO_PROXY=b\\x1b[0;m\'\nexport NO_PROXY=b\n'`,
			`$'export CI=\nexport NO_PROXY=docker,a\necho $\'\\x1b[32;1m$ export NO_PROXY=b\\x1b[0;m\'\nexport NO_PROXY=b\n'`,
		},
		"nothing": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			script := []byte(c.script)
			if diff := cmp.Diff(c.want, string(ExportDirect(script, "docker"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if string(script) != c.script {
				t.Error("the script given was changed")
			}
			if got := string(ExportDirect(script, "")); got != c.script {
				t.Errorf("without a need it became %q", got)
			}
		})
	}
}
