package local

import (
	"path"
	"slices"
	"strings"
)

// prepare prints the place of the job and removes leftovers of an earlier job.
func (w *scriptWriter) prepare() {
	via := ""
	if w.build.hostname != "" {
		via = " via " + w.build.hostname
	}
	w.line(`echo "Running on $(hostname)` + via + `..."`)
	if w.build.shape.preparesFiles() {
		w.removeFile(w.tempFile("gitlab_runner_env"))
		w.removeFile(w.tempFile("masking.db"))
	}
}

// userScript writes the script of the step with this stage.
func (w *scriptWriter) userScript(stage string) bool {
	for _, s := range w.build.payload.Steps {
		if stepStage(s) != stage {
			continue
		}
		w.exports()
		w.cd()
		for _, c := range s.Script {
			if s.Name == "release" {
				c = w.vars.expandValue(c)
			}
			w.userCommand(c)
		}
		return true
	}
	return false
}

// afterScript writes after_script, which sees the script's end in CI_JOB_STATUS.
func (w *scriptWriter) afterScript() bool {
	for _, s := range w.build.payload.Steps {
		if s.Name != afterScriptStep {
			continue
		}
		if len(s.Script) == 0 {
			return false
		}
		w.exports()
		w.cd()
		w.notice("Running after script...")
		for _, c := range s.Script {
			w.userCommand(c)
		}
		return true
	}
	return false
}

// userCommand writes a command behind an echo of its first line.
func (w *scriptWriter) userCommand(command string) {
	command = strings.TrimSpace(command)
	first, _, more := strings.Cut(command, "\n")
	switch {
	case command == "":
		w.line("echo")
	case more:
		w.notice("$ " + first + " # collapsed multi-line command")
	default:
		w.notice("$ " + command)
	}
	w.line(command)
}

// cleanup removes files with secrets, and files that git would run in the next job.
func (w *scriptWriter) cleanup() (some bool) {
	files := slices.DeleteFunc(slices.Clone(w.vars), func(v Variable) bool { return !v.File })
	if !w.build.shape.alwaysCleans() {
		for _, v := range files {
			w.removeFile(w.tempFile(v.Key))
		}
		return len(files) > 0
	}
	if w.build.shape.cleansWithVariables() {
		for _, v := range w.vars {
			if v.File {
				v = Variable{Key: v.Key, Value: w.tempFile(v.Key)}
			}
			w.variable(v)
		}
		w.jobEnvFile()
	}
	for _, name := range []string{"gitlab_runner_env", "masking.db", gitConfigFile} {
		w.removeFile(w.tempFile(name))
	}
	for _, v := range files {
		w.removeFile(w.tempFile(v.Key))
	}
	w.gitCleanup()
	w.removeFile(path.Join(w.build.buildsDir, ".gitlab-build-uid-gid"))
	return true
}
