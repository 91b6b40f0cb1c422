package usage

// The groups of the commands, in the order of the help. SetUp has the help command, too.
const (
	SetUp = "setup"
	look  = "look"
	clean = "clean"
	hooks = "hooks"
)

// titles are the titles of the groups.
var titles = []struct{ id, title string }{
	{SetUp, "Set up a host:"},
	{look, "Look at jobs and sandboxes:"},
	{clean, "Keep a host clean and fast:"},
	{hooks, "Hooks, which GitLab Runner calls:"},
}

// entry is the text in a command's help besides its flags. Subcommands have no group.
type entry struct{ group, example string }

// entries are the entries of all commands in the help, by path below the program.
var entries = map[string]entry{
	"doctor": {SetUp, `gitlab-dind-executor doctor
gitlab-dind-executor doctor --json --runner-config /etc/gitlab-runner/config.toml`},
	"prepull": {SetUp, `gitlab-dind-executor prepull`},
	"register": {SetUp, `gitlab-dind-executor register --url https://gitlab.example.com --token-file token --write /etc/gitlab-runner/config.toml
gitlab-dind-executor register --from /etc/gitlab-runner/config.toml --runner '#2'`},
	"settings": {SetUp, `gitlab-dind-executor settings --default > dind.toml
gitlab-dind-executor settings --check dind.toml`},
	"try": {SetUp, `gitlab-dind-executor try --list
gitlab-dind-executor try build --variable VERSION=1.0`},
	"version": {SetUp, `gitlab-dind-executor version`},

	"explain": {look, `gitlab-dind-executor explain 4711`},
	"logs": {look, `gitlab-dind-executor logs 4711 --tail 20
gitlab-dind-executor logs 4711 --role service postgres`},
	"metrics":       {look, `gitlab-dind-executor metrics --textfile /var/lib/prometheus/node-exporter/dind.prom`},
	"metrics serve": {"", `gitlab-dind-executor metrics serve --listen 127.0.0.1:9456`},
	"shell": {look, `gitlab-dind-executor shell 4711
echo 'docker ps' | gitlab-dind-executor shell 4711 --role sidecar`},
	"status": {look, `gitlab-dind-executor status --watch`},

	"drain": {clean, `gitlab-dind-executor drain --timeout 30m`},
	"gc": {clean, `gitlab-dind-executor gc --dry-run --verbose
gitlab-dind-executor gc --caches --older-than 7d`},
	"mirror":        {clean, `gitlab-dind-executor mirror status`},
	"mirror remove": {"", `gitlab-dind-executor mirror remove`},
	"mirror start":  {"", `gitlab-dind-executor mirror start`},
	"mirror status": {"", `gitlab-dind-executor mirror status --json`},
	"pool":          {clean, `gitlab-dind-executor pool status`},
	"pool drain":    {"", `gitlab-dind-executor pool drain`},
	"pool fill":     {"", `gitlab-dind-executor pool fill`},
	"pool status":   {"", `gitlab-dind-executor pool status --json`},
	"seed":          {clean, `gitlab-dind-executor seed`},
	"seed remove":   {"", `gitlab-dind-executor seed remove`},
	"seed status":   {"", `gitlab-dind-executor seed status --json`},

	"config":  {hooks, `config_exec = "/usr/bin/gitlab-dind-executor", with config_args = ["config"] in config.toml`},
	"prepare": {hooks, `prepare_exec = "/usr/bin/gitlab-dind-executor", with prepare_args = ["prepare"] in config.toml`},
	"run":     {hooks, `run_exec = "/usr/bin/gitlab-dind-executor", with run_args = ["run"] in config.toml`},
	"cleanup": {hooks, `cleanup_exec = "/usr/bin/gitlab-dind-executor", with cleanup_args = ["cleanup"] in config.toml`},
}
