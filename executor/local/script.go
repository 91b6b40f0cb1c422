package local

import (
	"fmt"
	"path"
	"strings"
)

// script makes the script of a stage, or "" where the stage has nothing to do.
func (b *build) script(stage string) (string, error) {
	w := &scriptWriter{build: b, vars: b.variables(), temp: b.projectDir + ".tmp"}
	ok := true
	var err error
	switch stage {
	case stagePrepare:
		w.prepare()
	case stageGetSources:
		err = w.getSources()
	case stageClearWorktree:
		w.clearWorktree()
	case stageRestoreCache:
		ok, err = w.restoreCache()
	case stageDownload:
		ok = w.downloadArtifacts()
	case stageAfterScript:
		ok = w.afterScript()
	case stageArchive, stageArchiveFailed:
		ok, err = w.archiveCache(stage == stageArchive)
	case stageUpload, stageUploadFailed:
		ok = w.uploadArtifacts(stage == stageUpload)
	case stageCleanup:
		ok = w.cleanup()
	default:
		ok = w.userScript(stage)
	}
	if err != nil || !ok {
		return "", err
	}
	return w.finish(b.shell), nil
}

// scriptWriter writes the body of a script.
type scriptWriter struct {
	build *build
	vars  variables
	// temp is the folder next to the project.
	temp   string
	body   strings.Builder
	indent int
}

func (w *scriptWriter) line(text string) {
	w.body.WriteString(strings.Repeat("  ", w.indent) + text + "\n")
}

func (w *scriptWriter) linef(format string, args ...any) { w.line(fmt.Sprintf(format, args...)) }

// command writes a command line without anything for the shell to expand.
func (w *scriptWriter) command(words ...string) { w.line(quoteAll(words...)) }

// block writes an if around then, and an else around otherwise unless otherwise is nil.
func (w *scriptWriter) block(condition string, then, otherwise func()) {
	w.linef("if %s; then", condition)
	w.indented(then)
	if otherwise != nil {
		w.line("else")
		w.indented(otherwise)
	}
	w.line("fi")
}

func (w *scriptWriter) indented(f func()) {
	w.indent++
	f()
	w.indent--
}

func (w *scriptWriter) notice(text string)  { w.line("echo " + quote(boldGreen+text+plain)) }
func (w *scriptWriter) warning(text string) { w.line("echo " + quote(yellow+text+plain)) }

func (w *scriptWriter) cd()                    { w.command("cd", w.build.projectDir) }
func (w *scriptWriter) mkdir(dir string)       { w.command("mkdir", "-p", dir) }
func (w *scriptWriter) removeFile(file string) { w.line(`rm "-f" ` + quotePath(file)) }
func (w *scriptWriter) tempFile(name string) string {
	return path.Join(w.temp, name)
}

func (w *scriptWriter) removeDir(dir string) {
	w.block("[ -d "+quotePath(dir)+" ]", func() { w.line(`chmod "-R" "u+rwX" ` + quotePath(dir)) }, nil)
	w.line(`rm "-r" "-f" ` + quotePath(dir))
}

// variable exports v, a file variable by way of a file of its name.
func (w *scriptWriter) variable(v Variable) {
	if !v.File {
		w.linef("export %s=%s", quote(v.Key), quote(v.Value))
		return
	}
	file := quotePath(w.tempFile(v.Key))
	w.line("mkdir -p " + quotePath(w.temp))
	w.linef("printf '%%s' %s > %s", quote(v.Value), file)
	w.linef("export %s=%s", quote(v.Key), file)
}

// exports exports all variables, and those of GITLAB_ENV from earlier stages.
func (w *scriptWriter) exports() {
	for _, v := range w.vars {
		w.variable(v)
	}
	w.jobEnvFile()
}

// jobEnvFile reads the variables of GITLAB_ENV from earlier stages.
func (w *scriptWriter) jobEnvFile() {
	file := w.tempFile("gitlab_runner_env")
	w.variable(Variable{Key: "GITLAB_ENV", Value: file})
	w.line("mkdir -p " + quotePath(w.temp))
	w.line("touch " + quotePath(file))
	if !w.build.shape.readsEnvByLine() {
		w.line("set -o allexport")
		w.line("source " + quotePath(file) + " set")
		w.line("set +o allexport")
		return
	}
	w.linef(`while read -r line; do export "$line"; done < %s`, quotePath(file))
}

// guarded writes commands that need gitlab-runner, with a warning where the program is
// missing.
func (w *scriptWriter) guarded(action string, f func()) {
	w.block("gitlab-runner --version >/dev/null 2>&1 ", f, func() {
		w.warning("Missing gitlab-runner. " + action + " is disabled.")
	})
}

// chown hands folders to the user whom another container noted in a file.
func (w *scriptWriter) chown(dirs ...string) {
	if !w.build.shape.ownsFiles() {
		return
	}
	file := path.Join(w.build.buildsDir, ".gitlab-build-uid-gid")
	w.block("[ -e "+quotePath(file)+" ]", func() {
		for _, dir := range dirs {
			w.block("[ -d "+quotePath(dir)+" ]", func() {
				w.linef(`chown -R "$(stat -c '%%u:%%g' '%s')" '%s'`, file, dir)
			}, nil)
		}
	}, nil)
}

// finish puts the head and the foot around the body, in the shape of the
// Runner's version.
func (w *scriptWriter) finish(shell string) string {
	var s strings.Builder
	s.WriteString("#!/usr/bin/env " + shell + "\n\n")
	if w.build.shape.closesStdin() {
		s.WriteString("trap 'exit 1' TERM\n\n")
		s.WriteString(`case "$(set -o)" in *"pipefail"*) set -o pipefail;; esac; set -o errexit` + "\n")
		s.WriteString("set +o noclobber\n")
		s.WriteString("(trap 'exit 1' TERM; eval " + quote(w.body.String()) + ") < /dev/null\n")
	} else {
		if w.build.shape.trapsTerm() {
			s.WriteString("trap exit 1 TERM\n\n")
		}
		s.WriteString("if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\n")
		s.WriteString("set +o noclobber\n")
		s.WriteString(": | eval " + quote(w.body.String()) + "\n")
	}
	s.WriteString("exit 0\n")
	return s.String()
}
