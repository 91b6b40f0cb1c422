package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// withServices adds services to a job's dind service.
func withServices(p local.Payload, services ...local.Image) local.Payload {
	p.Services = append(slices.Clone(p.Services), services...)
	return p
}

// with lets a job run with more lines in the settings file.
func with(t *testing.T, more string) func(*local.Runner) {
	t.Helper()
	path, err := world.WriteSettings(strings.ReplaceAll(t.Name(), "/", "-")+".toml", more)
	if err != nil {
		t.Fatal(err)
	}
	return withSettings(path)
}

// quietly is a service that prints, stays and is never ready.
func quietly(t *testing.T, changes ...string) local.Image {
	t.Helper()
	image := rig.Derive(t, world.Engine, rig.ImageBusybox, changes...)
	return local.Image{Name: image, Alias: "idle", Command: []string{"sh", "-c", "echo warming up; echo no database; exec tail -f /dev/null"}}
}

// emulator is a service that uses docker, as LocalStack does. It writes down the daemon, its
// certificates, and its rights to their files.
var emulator = local.Image{
	Name: rig.ImageCLI, Alias: "emulator", Entrypoint: []string{"sh", "-c"},
	Command: []string{`n=0; until docker version -f 'the emulator sees {{.Server.Os}}' >/tmp/out 2>&1; do n=$((n+1)); [ $n -lt 100 ] || break; sleep 0.1; done
		echo $(cd /certs/client && ls *.pem) $(ls /certs): $(touch /certs/client/x 2>/dev/null || echo read-only) >>/tmp/out
		mv /tmp/out /builds/emulator.new && mv /builds/emulator.new /builds/emulator; exec sleep 300`},
	Variables: []local.Variable{
		{Key: "DOCKER_HOST", Value: "tcp://docker:2376"}, {Key: "DOCKER_TLS_VERIFY", Value: "1"}, {Key: "DOCKER_CERT_PATH", Value: "/certs/client"},
	},
}

func TestRedisAndPostgresByNamesAndAliases(t *testing.T) {
	p := withServices(
		world.Job(
			`ping() { printf 'PING\r\nQUIT\r\n' | busybox nc $1 6379 | tr -d '\r'; }`,
			// The services answer under the names derived from their images, and under every
			// alias.
			`for name in gitlab-dind-executor.test__redis gitlab-dind-executor.test-redis kv cache memory; do echo "$name $(ping $name)"; done`,
			`for name in gitlab-dind-executor.test__postgres gitlab-dind-executor.test-postgres db sql; do busybox nc $name 5432 </dev/null && echo "$name is there"; done`,
			login,
			`ip() { getent hosts $1 | cut -d' ' -f1; }`,
			`docker run --rm --add-host kv:$(ip kv) --add-host db:$(ip db) $CI_REGISTRY/base/busybox sh -c "printf 'SET k from-inside\r\nQUIT\r\n' | nc kv 6379; nc db 5432 </dev/null && echo db from inside"`,
			`docker run --rm --network host $CI_REGISTRY/base/busybox sh -c "printf 'GET k\r\nQUIT\r\n' | nc cache 6379"`,
			// A service that uses docker tells its findings.
			`n=0; until [ -e /builds/emulator ]; do n=$((n+1)); [ $n -lt 100 ]; sleep 0.1; done; cat /builds/emulator`,
			`docker network create made && docker run --rm --network made $CI_REGISTRY/base/busybox sh -c "printf 'GET k\r\nQUIT\r\n' | nc gitlab-dind-executor.test-redis 6379 | sed s/^/made:/"`,
		),
		emulator,
		local.Image{Name: rig.ImageRedis, Alias: "kv, cache,memory", Command: []string{"redis-server", "--maxmemory", "32mb"}},
		local.Image{Name: rig.ImagePostgres, Alias: "db sql", Variables: []local.Variable{
			{Key: "POSTGRES_PASSWORD", Value: "$DB_PASSWORD"}, {Key: "POSTGRES_DB", Value: "app"}, {Key: "POSTGRES_USER", Value: "me"},
		}},
	)
	lab.Set(&p, "DB_PASSWORD", "a-database-password")
	runJob(t, p).succeeded().quietCleanup().saysNot("warning: ", "a-database-password").says(
		" ready", "services ready after",
		"gitlab-dind-executor.test__redis +PONG\n+OK\n", "gitlab-dind-executor.test-redis +PONG", "kv +PONG", "cache +PONG", "memory +PONG",
		"__postgres is there", "-postgres is there", "db is there", "sql is there",
		"+OK", "db from inside", "from-inside",
		"\nthe emulator sees linux\nca.pem cert.pem key.pem client: read-only\n", "made:from-inside",
	)
}

func TestPostgresTakesItsVariables(t *testing.T) {
	// psql comes with the server's image, whose entrypoint does not mind.
	p := withServices(world.Job(
		`psql -h db -U me -d app -Atc "select 'the answer is ' || 40 + 2"`,
	), local.Image{Name: rig.ImagePostgres, Alias: "db", Variables: []local.Variable{
		{Key: "POSTGRES_PASSWORD", Value: "$PGPASSWORD"}, {Key: "POSTGRES_DB", Value: "app"}, {Key: "POSTGRES_USER", Value: "me"},
	}})
	p.Image = local.Image{Name: rig.ImagePostgres, Entrypoint: []string{""}}
	lab.Set(&p, "PGPASSWORD", "x")
	runJob(t, p).succeeded().says("the answer is 42").saysNot("warning: ")
}

func TestAServiceWithoutItsVariablesIsAWarning(t *testing.T) {
	p := withServices(world.Job(`echo on it goes`), local.Image{Name: rig.ImagePostgres, Alias: "db"})
	runJob(t, p).succeeded().quietCleanup().says(
		"warning: service "+rig.ImagePostgres+" (gitlab-dind-executor.test__postgres, gitlab-dind-executor.test-postgres, db) ended with code 1 before it was ready:",
		"superuser password is not specified", " ready", "\non it goes\n",
	)
}

func TestARequiredServiceThatEndsFailsTheJob(t *testing.T) {
	p := withServices(world.Job(`echo never`), local.Image{Name: rig.ImagePostgres, Alias: "db"})
	r := runJob(t, p, with(t, "[services]\nrequired = true\n")).quietCleanup().
		says("error: service "+rig.ImagePostgres, "superuser password is not specified", "hint: look at its last lines").saysNot("\nnever")
	if r.State != local.Failed || r.Attempts != 1 {
		t.Fatalf("the job ended as %s after %d attempts, want failed after one", r.State, r.Attempts)
	}
}

func TestAServiceThatIsNeverReady(t *testing.T) {
	for name, c := range map[string]struct{ change, why string }{
		"by its port":         {`EXPOSE 81 80`, "nothing listens on port 80, 81:"},
		"by its health check": {`HEALTHCHECK CMD false`, "its health check fails:"},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Unchanged(t, world.Engine)
			p := withServices(world.Job(`echo on it goes`), quietly(t, c.change))
			runJobUnchecked(t, p, with(t, "[services]\nready_timeout = \"1s\"\n")).succeeded().quietCleanup().
				says("warning: service "+p.Services[1].Name, "idle) is not ready, "+c.why, "\n  warming up\n  no database", " ready", "\non it goes\n")
		})
	}
}

func TestARequiredServiceThatIsNeverReady(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	p := withServices(world.Job(`echo never`), quietly(t, `EXPOSE 80`))
	r := runJobUnchecked(t, p, with(t, "[services]\nready_timeout = \"500ms\"\nrequired = true\n")).quietCleanup().
		says("error: service ", "idle) is not ready, nothing listens on port 80:\n  warming up\n  no database", "hint: services.ready_timeout").
		saysNot("\nnever")
	if r.State != local.SystemFailure {
		t.Fatalf("the job ended as %s, want a system failure", r.State)
	}
}

// The engine's own first look comes after an hour.
func TestAServiceWhoseHealthCheckSucceedsLate(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	service := quietly(t, `HEALTHCHECK --interval=1h CMD test -f /tmp/ready`, `EXPOSE 80`)
	service.Command = []string{"sh", "-c", "sleep 2; touch /tmp/ready; exec httpd -f -h /tmp"}
	p := withServices(world.Job(`n=0; until curl -sf http://idle/ready; do n=$((n+1)); [ $n -lt 50 ]; sleep 0.1; done; echo healthy`), service)
	runJobUnchecked(t, p).succeeded().says(" ready", "services ready after", "healthy").saysNot("warning: ")
}

func TestAServiceThatHasDoneItsWork(t *testing.T) {
	p := withServices(world.Job(`cat ../../migrated`),
		local.Image{Name: rig.ImageBusybox, Alias: "migrate", Command: []string{"sh", "-c", "echo done > /builds/migrated"}})
	runJob(t, p).succeeded().saysNot("warning: ").says("migrate) ended with code 0", "done")
}

// The job log states the facts. Only the author knows whether the script failed because of the
// service.
func TestAServiceThatEndsWhileTheScriptRuns(t *testing.T) {
	until := func(then string) []string {
		return []string{"sh", "-c", "until test -e /builds/go; do sleep 0.1; done; " + then}
	}
	p := withServices(world.Job(`touch ../../go`, `until test -e ../../gone; do sleep 0.1; done`, `sleep 0.2`, `exit 7`),
		local.Image{Name: rig.ImageBusybox, Alias: "lost", Command: until("echo no such table; touch /builds/gone; exit 3")},
		local.Image{Name: rig.ImageBusybox, Alias: "done", Command: until("echo all migrated")},
		local.Image{Name: rig.ImageBusybox, Alias: "stays", Command: []string{"sleep", "300"}})
	r := runJobUnchecked(t, p).quietCleanup().says("done) ended with exit code 0 before the script ended\n", "lost) ended with exit code 3 before the script ended:", "\n  no such table\n").
		saysNot("stays) ended", "all migrated")
	if r.State != local.Failed || r.ExitCode != 7 {
		t.Errorf("the job ended as %s with code %d", r.State, r.ExitCode)
	}
}

// An engine at a TCP address counts as remote. Its networks are out of reach, and the helper
// must dial.
func TestServicesOfARemoteEngine(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	addr := forwarded(t, strings.TrimPrefix(world.Engine.DaemonHost(), "unix://"))
	p := withServices(world.Job(`echo on it goes`),
		local.Image{Name: rig.ImageRedis, Alias: "cache"}, quietly(t, "EXPOSE 80"))
	runJobUnchecked(t, p, with(t, fmt.Sprintf("[engine]\nhost = \"tcp://%s\"\n[services]\nready_timeout = \"3s\"\n", addr))).
		succeeded().quietCleanup().saysNot("cache) is not ready").says("idle) is not ready, nothing listens on port 80", "on it goes")
}

func TestLogsOfServicesInTheJobLog(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	service := local.Image{Name: rig.ImageBusybox, Alias: "chat", Command: []string{
		"sh", "-c",
		`echo line 0; for i in 1 2 3; do while [ ! -e /builds/say$i ]; do sleep 0.02; done; echo line $i; echo error $i >&2; touch /builds/said$i; done; exec tail -f /dev/null`,
	}}
	// Each line is asked for in a stage, the second line at the stage's very end.
	say := func(i int) string {
		return fmt.Sprintf(`printf "half a line, "; touch /builds/say%[1]d; while [ ! -e /builds/said%[1]d ]; do sleep 0.02; done; sleep 0.2; echo "and its end %[1]d"`, i)
	}
	p := after(withServices(world.Job(say(1), say(2)), service), say(3))
	lab.Set(&p, "CI_DEBUG_SERVICES", "true")
	r := runJobUnchecked(t, p).succeeded().quietCleanup()
	const name = "[service:gitlab-dind-executor.test__busybox-gitlab-dind-executor.test-busybox-chat] "
	r.says(name+"line 0", name+"line 1", name+"line 2", "Running after script", name+"line 3").
		says("\nhalf a line, and its end 1\n", "\nhalf a line, and its end 2\n", "\nhalf a line, and its end 3\n")
	for _, line := range []string{"line 0", "line 1", "error 1", "line 2", "error 2", "line 3", "error 3"} {
		if n := strings.Count(r.log, name+line); n != 1 {
			t.Errorf("%q is shown %d times", line, n)
		}
	}
	if n := strings.Count(r.log, "API listen on"); n < 1 {
		t.Error("the log of the job's docker daemon is not shown")
	}
}
