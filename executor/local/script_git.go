package local

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// gitConfigFile holds the credentials for git, next to the project and not inside.
const gitConfigFile = ".gitlab-runner.ext.conf"

// gitStrategy is GIT_STRATEGY.
type gitStrategy string

const (
	strategyClone gitStrategy = "clone"
	strategyFetch gitStrategy = "fetch"
	strategyNone  gitStrategy = "none"
	strategyEmpty gitStrategy = "empty"
)

// strategy returns GIT_STRATEGY. For an unknown strategy, GitLab's allow_git_fetch decides.
func strategy(v variables, allowFetch bool) gitStrategy {
	switch s := gitStrategy(v.value("GIT_STRATEGY")); s {
	case strategyClone, strategyFetch, strategyNone, strategyEmpty:
		return s
	}
	if allowFetch {
		return strategyFetch
	}
	return strategyClone
}

// flags returns the flags in a variable, or def; "none" is an empty list.
func (v variables) flags(key string, def ...string) []string {
	switch text := v.value(key); text {
	case "":
		return def
	case "none":
		return nil
	default:
		return strings.Fields(text)
	}
}

// getSources fetches and checks out the job's commit.
func (w *scriptWriter) getSources() error {
	b := w.build
	w.exports()
	if b.shape.silencesGit() {
		w.variable(Variable{Key: "GIT_TERMINAL_PROMPT", Value: "0"})
		w.variable(Variable{Key: "GCM_INTERACTIVE", Value: "Never"})
	}
	lfs := !w.vars.boolean("GIT_LFS_SKIP_SMUDGE", false)
	if lfs {
		w.variable(Variable{Key: "GIT_LFS_SKIP_SMUDGE", Value: "1"})
	}

	checkout := w.vars.boolean("GIT_CHECKOUT", true)
	switch s := strategy(w.vars, b.payload.AllowGitFetch); s {
	case strategyNone:
		w.notice("Skipping Git repository setup")
		w.mkdir(b.projectDir)
		checkout = false
	case strategyEmpty:
		w.notice("Skipping Git repository setup and creating an empty build directory")
		w.removeDir(b.projectDir)
		w.mkdir(b.projectDir)
		checkout = false
	default:
		w.gitCleanup()
		template, remote, err := w.gitTemplate()
		if err != nil {
			return err
		}
		if s == strategyClone {
			w.removeDir(b.projectDir)
		}
		w.fetch(template, remote)
	}
	if checkout {
		if err := w.checkout(lfs); err != nil {
			return err
		}
	} else {
		w.notice("Skipping Git checkout")
	}
	w.submodules()
	w.chown(b.buildsDir)
	return nil
}

// gitTemplate writes the template of a new repository, which includes the credentials'
// file. The returned remote carries no credentials.
func (w *scriptWriter) gitTemplate() (dir, remote string, err error) {
	dir = w.tempFile("git-template")
	config, credentials := path.Join(dir, "config"), w.tempFile(gitConfigFile)
	w.mkdir(dir)
	keys := [][2]string{{"init.defaultBranch", "none"}, {"fetch.recurseSubmodules", "false"}}
	if w.build.shape.silencesGit() {
		keys = append(keys, [2]string{"credential.interactive", "never"}, [2]string{"gc.autoDetach", "false"})
	}
	for _, kv := range keys {
		w.command("git", "config", "-f", config, kv[0], kv[1])
	}
	if !w.build.shape.hidesCredentials() {
		return dir, w.build.payload.GitInfo.RepoURL, nil
	}
	w.removeFile(credentials)
	w.command("git", "config", "-f", credentials, "transfer.bundleURI", "true")

	full, err := url.Parse(w.build.payload.GitInfo.RepoURL)
	if err != nil {
		return "", "", fmt.Errorf("reading git_info.repo_url: %w", redactURL(err))
	}
	remote = w.build.payload.GitInfo.RepoURL
	if full.User != nil {
		server := url.URL{Scheme: full.Scheme, User: full.User, Host: full.Host}
		w.hideCredentials(credentials, &server)
		remote = w.hideCredentials(credentials, full)
	}
	w.includeCredentials(config, quote(credentials))
	w.line("export GLR_EXT_GIT_CONFIG_PATH=" + quotePath(credentials))
	return dir, remote, nil
}

// hideCredentials notes in git's configuration file how to replace the bare URL by u. The
// bare URL is u without credentials.
func (w *scriptWriter) hideCredentials(file string, u *url.URL) (bare string) {
	without := *u
	without.User = nil
	bare = without.String()
	w.command("git", "config", "--file", file, "--replace-all",
		"url."+u.String()+".insteadOf", bare, "^"+regexp.QuoteMeta(bare)+"$")
	return bare
}

// redactURL drops the URL from a parse error: the URL holds the job's token.
func redactURL(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}

func (w *scriptWriter) includeCredentials(config, file string) {
	w.linef("git config --file %s --replace-all include.path %s %s",
		quote(config), file, quote(regexp.QuoteMeta(gitConfigFile)+"$"))
}

// fetch makes the repository if missing and fetches the job's refs.
func (w *scriptWriter) fetch(template, remote string) {
	git := w.build.payload.GitInfo
	if git.Depth > 0 {
		w.notice("Fetching changes with git depth set to " + strconv.Itoa(git.Depth) + "...")
	} else {
		w.notice("Fetching changes...")
	}
	initialise := []string{"git", "init", w.build.projectDir, "--template", template}
	if f := git.RepoObjectFormat; f != "" && f != "sha1" {
		initialise = append(initialise, "--object-format", f)
	}
	w.command(initialise...)
	w.cd()
	w.block(quoteAll("git", "remote", "add", "origin", remote)+" >/dev/null 2>&1 ",
		func() { w.notice("Created fresh repository.") },
		func() {
			w.command("git", "remote", "set-url", "origin", remote)
			if w.build.shape.hidesCredentials() {
				w.includeCredentials(".git/config", `"$GLR_EXT_GIT_CONFIG_PATH"`)
			}
		})

	agent := fmt.Sprintf("http.userAgent=gitlab-runner %s %s/%s", w.build.runner.Version, runtime.GOOS, runtime.GOARCH)
	words := append([]string{"git", "-c", agent, "fetch", "origin", "--no-recurse-submodules"}, git.Refspecs...)
	if git.Depth > 0 {
		words = append(words, "--depth", strconv.Itoa(git.Depth))
	}
	words = append(words, w.vars.flags("GIT_FETCH_EXTRA_FLAGS", "--prune", "--quiet")...)
	if git.Depth > 0 {
		w.command(words...)
		return
	}
	w.block("[ -e .git/shallow ]",
		func() { w.command(append(words[:len(words):len(words)], "--unshallow")...) },
		func() { w.command(words...) })
}

// checkout checks the commit out and cleans the tree.
func (w *scriptWriter) checkout(lfs bool) error {
	git := w.build.payload.GitInfo
	if len(git.SHA) < 8 {
		return fmt.Errorf("git_info.sha %q is no commit id", git.SHA)
	}
	w.notice(fmt.Sprintf("Checking out %s as detached HEAD (ref is %s)...", git.SHA[:8], git.Ref))
	w.command("git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", git.SHA)
	if clean := w.vars.flags("GIT_CLEAN_FLAGS", "-ffdx"); len(clean) > 0 {
		w.command(append([]string{"git", "clean"}, clean...)...)
	}
	if lfs {
		w.block("git lfs version >/dev/null 2>&1 ", func() {
			w.command("git", "lfs", "pull")
			w.line("echo")
		}, nil)
	}
	return nil
}
