package local

import (
	"path"
	"strconv"
)

// submodules updates the submodules as GIT_SUBMODULE_STRATEGY says.
func (w *scriptWriter) submodules() {
	mode := w.vars.value("GIT_SUBMODULE_STRATEGY")
	s := strategy(w.vars, w.build.payload.AllowGitFetch)
	if mode != "normal" && mode != "recursive" || s == strategyNone || s == strategyEmpty {
		w.notice("Skipping Git submodules setup")
		return
	}
	words := []string{"submodule", "update", "--init"}
	synchronise := []string{"git", "submodule", "sync"}
	headline := "Updating/initializing submodules"
	if mode == "recursive" {
		words = append(words, "--recursive")
		synchronise = append(synchronise, "--recursive")
		headline += " recursively"
	}
	if depth := w.vars.number("GIT_SUBMODULE_DEPTH", w.build.payload.GitInfo.Depth); depth > 0 {
		words = append(words, "--depth", strconv.Itoa(depth))
		headline += " with git depth set to " + strconv.Itoa(depth)
	}
	words = append(words, w.vars.flags("GIT_SUBMODULE_UPDATE_FLAGS")...)
	w.notice(headline + "...")
	w.command("git", "submodule", "init")
	w.command(synchronise...)
	if w.build.shape.hidesCredentials() {
		w.line(`git -c "include.path=$GLR_EXT_GIT_CONFIG_PATH" ` + quoteAll(words...))
	} else {
		w.command(append([]string{"git"}, words...)...)
	}
	w.notice("Updated submodules")
}

// clearWorktree empties the tree before a second attempt to fetch.
func (w *scriptWriter) clearWorktree() {
	w.notice("Deleting tracked and untracked files...")
	w.block("[ -d "+quotePath(w.build.projectDir)+" ]", func() {
		w.cd()
		w.command("git", "rm", "-rf", "--ignore-unmatch", "--quiet", ".")
		w.command("git", "clean", "-ffdx", "-q")
	}, nil)
}

// gitCleanup removes locks of a killed git, and the configuration and hooks by which a job
// could run code in the next job.
func (w *scriptWriter) gitCleanup() {
	git := path.Join(w.build.projectDir, ".git")
	for _, name := range []string{"index.lock", "shallow.lock", "HEAD.lock", "hooks/post-checkout", "config.lock"} {
		w.removeFile(path.Join(git, name))
	}
	if !w.build.shape.silencesGit() {
		return
	}
	refs := quotePath(path.Join(git, "refs"))
	w.block("[ -d "+refs+" ]", func() {
		// Not every find has -exec … +.
		w.linef(`et='+' ; find /dev/null -exec true {} + 2>/dev/null || et=';' ; find %s -name "*.lock" -type f -exec rm -f {} "${et}"`, refs)
	}, nil)
	if strategy(w.vars, w.build.payload.AllowGitFetch) == strategyNone {
		return
	}
	for _, dir := range []string{w.tempFile("git-template"), git} {
		w.removeFile(path.Join(dir, "config"))
		w.removeDir(path.Join(dir, "hooks"))
	}
}
