package runnerconfig

import (
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

// With --write the values go along.
func TestSecretsThatStayInTheSection(t *testing.T) {
	c, err := Convert("config.toml", docker(t), "docker")
	if err != nil {
		t.Fatal(err)
	}
	text, err := New{Name: "x", Exec: ours, Carried: c.Section}.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`SecretKey = "TOPSECRET"`, `"HTTPS_PROXY=http://u:pw@p:3128"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "SECRETSECRET") || strings.Contains(text, "DOCKER_TLS_CERTDIR") {
		t.Errorf("too much goes along:\n%s", text)
	}
	if !strings.Contains(c.Settings, "PASSWORD=SECRETSECRET") || strings.Contains(c.Shown, "SECRET") || !strings.Contains(c.Shown, "PASSWORD=REPLACE-ME") {
		t.Errorf("settings that are written, and shown:\n%s\n%s", c.Settings, c.Shown)
	}
	if _, err := Parse("x", []byte(text)); err != nil {
		t.Error(err)
	}
}

// Scripts often log in.
func TestScriptsAreShownNowhere(t *testing.T) {
	section := map[string]any{
		"pre_build_script": "docker login -p hunter2", "post_build_script": "echo hunter2", "pre_get_sources_script": "echo hunter2",
		"post_get_sources_script": "echo hunter2", "pre_clone_script": "echo hunter2", "nothing_script": "",
		"feature_flags": map[string]any{"FF_SCRIPT_SECTIONS": true}, "limit": int64(3),
	}
	got := fmt.Sprint(Hidden(section))
	if strings.Contains(got, "hunter2") || strings.Count(got, "REPLACE-ME") != 5 {
		t.Errorf("it shows %s", got)
	}
	if want := "FF_SCRIPT_SECTIONS:true"; !strings.Contains(got, want) {
		t.Errorf("no %s in %s", want, got)
	}
}

// A secret is hidden in every holder: a list, a table, an address, the command of a
// service, and a flag of the job's daemon.
func TestSecretsAreHiddenInEveryShape(t *testing.T) {
	c, err := Convert("x", []byte(`[[runners]]
executor = "docker"
url = "https://u:SECRET@gitlab.example.com"
clone_url = "https://SECRET@gitlab.example.com"
environment = ["A=SECRET", "SECRET"]
api_tokens = ["SECRET"]
new_thing = [{ token = "SECRET", inner = { password = "SECRET" } }]
[runners.headers]
Authorization = "Bearer SECRET"
[runners.secrets]
any = "SECRET"
[[runners.many]]
passphrase = "SECRET"
[runners.docker]
container_labels = { "deploy-token" = "SECRET", "team" = "SHOWN" }
[[runners.docker.services]]
name = "docker:dind"
command = ["--log-opt", "splunk-token=SECRET", "--max-concurrent-downloads=6"]
[[runners.docker.services]]
name = "docker:27-dind"
command = ["--log-opt", "splunk-token=ANOTHERSECRET"]
[[runners.docker.services]]
name = "redis:7"
entrypoint = ["sh", "-c"]
command = ["redis-server --requirepass SECRET"]
environment = ["P=SECRET"]
`), "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := New{Name: "x", URL: c.URL, Token: "SECRET", Exec: ours, Carried: c.Section}.Shown().Text()
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string]string{"section": text, "settings": c.Shown, "report": fmt.Sprint(notes(t, c))} {
		if strings.Contains(shown, "SECRET") {
			t.Errorf("the %s shows it:\n%s", what, shown)
		}
	}
	if _, err := Parse("x", []byte(text)); err != nil {
		t.Error(err)
	}
	if _, err := config.Parse("dind.toml", []byte(c.Shown)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"team" = "SHOWN"`, "--log-opt=splunk-token=REPLACE-ME", `entrypoint = ["REPLACE-ME"]`} {
		if !strings.Contains(c.Shown, want) {
			t.Errorf("no %s in:\n%s", want, c.Shown)
		}
	}
}
