package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/behind"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/runnerconfig"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/test/fakeengine"
	"gitlab-dind-executor/test/plant"
)

// Every file on the host that hooks and commands open, with everything hostile in its
// place.
func TestWhatIsPlantedOnTheHost(t *testing.T) {
	plant.Walk(t, "executor", map[string]plant.Use{
		"bundle of a failed job": {Name: leftBundle(t), May: plant.Replaced, Do: func(t *testing.T, file string) error {
			return failedInto(t, filepath.Dir(file))
		}},
		"bundle that `explain` reads": {Name: "job-42-0a1b2c3d.json", May: none, Do: func(t *testing.T, file string) error {
			e := fakeengine.New(t)
			return called(t, e, nil, "--settings", settingsFile(t, e, "[bundles]\ndir = \""+filepath.Dir(file)+"\"\n"), "explain", "42")
		}},
		"`swept`": {Name: "swept", May: plant.Replaced, Do: func(_ *testing.T, file string) error {
			_ = behind.SweepDue(filepath.Dir(file), time.Now())
			behind.Swept(filepath.Dir(file), 500)
			if behind.SweepDue(filepath.Dir(file), time.Now()) {
				return errors.New("each job looks, since nothing can be written to swept")
			}
			return nil
		}},
		"`caches-looked-after`": {Name: "caches-looked-after", May: plant.Replaced, Quiet: "the clock decides", Do: func(t *testing.T, file string) error {
			tomorrow := time.Now().Add(24 * time.Hour).Truncate(time.Millisecond).Add(time.Microsecond) // a time without chance
			if !behind.CachesDue(config.Default(), filepath.Dir(file), tomorrow) {
				return errors.New(file)
			}
			return nil
		}},
		"`log.file`": {Name: "operator.log", May: plant.Appended, Do: func(t *testing.T, file string) error {
			e := fakeengine.New(t)
			return called(t, e, nil, "--settings", settingsFile(t, e, "[log]\nfile = \""+file+"\"\n"+alone), "cleanup")
		}},
		"`log.file` that `metrics` reads": {Name: "operator.log", May: plant.ReadOwn, Do: func(_ *testing.T, file string) error {
			_, err := (&telemetry.Meter{Log: telemetry.Log{Path: file}}).Tally()
			return err
		}},
		"`log.file` that `explain` reads": {Name: "operator.log", May: plant.ReadOwn, Do: func(t *testing.T, file string) error {
			e := fakeengine.New(t)
			err := called(t, e, nil, "--settings", settingsFile(t, e, "[log]\nfile = \""+file+"\"\n[bundles]\ndir = \""+t.TempDir()+"\"\n"), "explain", "42")
			if err != nil && strings.Contains(err.Error(), "no line in the operator's log") {
				return nil // the file was read, and has no line of this job
			}
			return err
		}},
		"tally of `metrics`": {Name: "operator.log.tally", May: plant.Replaced, Quiet: "it is counted in memory", Do: func(_ *testing.T, file string) error {
			m := &telemetry.Meter{Log: telemetry.Log{Path: strings.TrimSuffix(file, ".tally")}}
			if _, err := m.Tally(); err != nil {
				return err
			}
			if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "{") {
				return errors.New(file)
			}
			return nil
		}},
		"lock of `metrics`": {Name: "operator.log.lock", May: plant.Appended, Quiet: "it is counted in memory", Do: func(_ *testing.T, file string) error {
			_, err := (&telemetry.Meter{Log: telemetry.Log{Path: strings.TrimSuffix(file, ".lock")}}).Tally()
			return err
		}},
		"`collector-down`": {Name: collectorDown, May: plant.Replaced, Quiet: "the next hook tries the collector as well", Do: func(t *testing.T, file string) error {
			e := fakeengine.New(t)
			settings := settingsFile(t, e, "[log]\nfile = \""+filepath.Join(filepath.Dir(file), "operator.log")+"\"\n"+alone)
			yesterday := time.Now().Add(-24 * time.Hour)
			if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() {
				_ = os.Chtimes(file, yesterday, yesterday) // a file that nobody can change stays
			}
			if err := called(t, e, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, "--settings", settings, "cleanup"); err != nil {
				return err
			}
			if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() || info.Size() > 0 {
				return errors.New(file)
			}
			return nil
		}},
		"`--trace`": {Name: "job-1000.json", May: plant.Appended, Do: func(t *testing.T, file string) error {
			e := fakeengine.New(t)
			return called(t, e, nil, "--settings", settingsFile(t, e, alone), "--trace", filepath.Dir(file), "cleanup")
		}},
		"`metrics --textfile`": {Name: "dind.prom", May: plant.Replaced, Do: func(t *testing.T, file string) error {
			e := fakeengine.New(t)
			return called(t, e, nil, "--settings", settingsFile(t, e, "[log]\nfile = \""+filepath.Join(t.TempDir(), "operator.log")+"\"\n"), "metrics", "--textfile", file)
		}},
		"`register --write`": {May: none, Do: func(t *testing.T, file string) error {
			e := fakeengine.New(t)
			return called(t, e, nil, "register", "--url", "https://git.example.com", "--write", file)
		}},
		"`register --write-settings`": {May: none, Do: func(_ *testing.T, file string) error {
			return runnerconfig.Write(file, nil, []byte("# new\n"))
		}},
		"`BUILD_EXIT_CODE_FILE`": {May: plant.Replaced, Do: func(_ *testing.T, file string) error {
			return exit{file: file}.record(3)
		}},
		"`gitlab-dind-executor-peak`, beside it": {Name: peakFile, May: plant.Replaced, Do: func(_ *testing.T, file string) error {
			e := exit{file: filepath.Join(filepath.Dir(file), "build_exit_code")}
			_ = e.peak("gitlab.example.com/7", 1)
			return e.notePeak("gitlab.example.com/7", 3)
		}},
		"`gitlab-dind-executor-traffic`, beside it": {Name: trafficFile, May: plant.Replaced, Do: func(_ *testing.T, file string) error {
			e := exit{file: filepath.Join(filepath.Dir(file), "build_exit_code")}
			_ = e.traffic("gitlab.example.com/7")
			return e.noteTraffic("gitlab.example.com/7", looking.Traffic{Received: 7, Written: 9})
		}},
		"`gitlab-dind-executor-containers`, beside it": {Name: containersFile, May: plant.Replaced, Do: func(_ *testing.T, file string) error {
			e := exit{file: filepath.Join(filepath.Dir(file), "build_exit_code")}
			_ = e.containersOf("gitlab.example.com/7")
			return e.noteContainers("gitlab.example.com/7", []string{strings.Repeat("a", 64)})
		}},
		"`JOB_RESPONSE_FILE`": {May: none, Do: func(_ *testing.T, file string) error {
			_, err := payload.Read(file)
			return about(file, err)
		}},
		"script of a stage": {May: plant.Named, Do: func(_ *testing.T, file string) error {
			_, err := readScript(file)
			return err
		}},
		"settings": {May: none, Do: func(_ *testing.T, file string) error {
			_, err := config.Load(file)
			return err
		}},
		"`ca_file`": {May: none, Do: func(_ *testing.T, file string) error {
			_, err := access.CA("r.example.com", file)
			return about(file, err)
		}},
		"`mirror.password_file`": {May: plant.Named, Do: func(_ *testing.T, file string) error {
			s := config.Default()
			s.Mirror.PasswordFile = file
			_, err := access.Mirror(s)
			return err
		}},
		"`OTEL_EXPORTER_OTLP_CERTIFICATE`": {May: none, Do: func(t *testing.T, file string) error {
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://127.0.0.1:1", "OTEL_EXPORTER_OTLP_CERTIFICATE": file}
			c, err := telemetry.NewCollector(func(key string) string { return env[key] }, "")
			if err != nil {
				return err
			}
			spans := &telemetry.Recorder{}
			_, span := spans.Start(t.Context(), "config")
			span.End()
			err = c.Export(t.Context(), telemetry.Record{Hook: "config"}, "", spans.Spans())
			if err != nil && !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_CERTIFICATE") {
				return nil // the call has come as far as the collector
			}
			return about(file, err)
		}},
		"`config.json` of Docker's client": {Name: "config.json", May: none, Quiet: "what is not there is no fault", Do: func(t *testing.T, file string) error {
			var said []string
			access.Credentials(context.Background(), &payload.Job{}, payload.Environment{"DOCKER_CONFIG": filepath.Dir(file)}, nil, nil, func(line string) { said = append(said, line) })
			if len(said) == 0 {
				return nil
			}
			return errors.New(strings.Join(said, "\n"))
		}},
	})
}

// failedInto fails a job and writes its bundle into a directory.
func failedInto(t *testing.T, dir string) error {
	t.Helper()
	e := fakeengine.New(t)
	settings := settingsFile(t, e, "[bundles]\ndir = \""+dir+"\"\n"+alone)
	if err := called(t, e, nil, "--settings", settings, "prepare"); err != nil {
		return err
	}
	return called(t, e, []string{"CUSTOM_ENV_CI_JOB_STATUS=failed"}, "--settings", settings, "cleanup")
}

// leftBundle returns the name of the bundle from failedInto.
func leftBundle(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := failedInto(t, dir); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "job-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("bundles %q, %v", files, err)
	}
	return filepath.Base(files[0])
}

// none is for files to parse: no planted thing is valid text.
func none(plant.Kind) bool { return false }

// about adds the file's name to errors whose hint or text does not name the file.
func about(file string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", file, err)
}

func settingsFile(t *testing.T, e *fakeengine.Engine, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(file, []byte("[engine]\nhost = \""+e.Host+"\"\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// called calls a command. Warnings on stderr count as an error.
func called(t *testing.T, e *fakeengine.Engine, env []string, args ...string) error {
	t.Helper()
	code, _, log := hookWith(t, e, env, with(""), args...)
	if code != 0 || strings.Contains(log, "warning: ") {
		return fmt.Errorf("exit code %d: %s", code, log)
	}
	return nil
}
