package plan

import (
	"path"
	"strings"
)

// helperTool is where scripts find the Runner's own program, for caches and artifacts.
const helperTool = "/usr/local/bin/gitlab-runner"

// inShell becomes a shell for a script of the helper side. Its umask lets a job image of
// any user write the sources.
const inShell = "umask 0000; " + DetectShell

// OwnUmask gives a script of the helper side an ordinary umask, so that only its user may
// write new files. It is for jobs whose files go to the user of their container (Owned).
func OwnUmask(script []byte) []byte { return append([]byte("umask 0022\n"), script...) }

// Owned returns the directories with a job's files, for jobs that want them to belong to
// the user of their container. They are the sources and the file variables. A project
// directory outside of the builds directory has none.
func Owned(buildsDir, projectDir string) []string {
	if projectDir == buildsDir { // possible with GIT_CLONE_PATH
		return []string{projectDir}
	}
	if below, ok := strings.CutPrefix(projectDir, buildsDir+"/"); !ok || below == "" || path.Clean(projectDir) != projectDir {
		return nil
	}
	return []string{projectDir, projectDir + ".tmp"}
}

// ShowUser is a command that prints the ids of a container's user and group.
var ShowUser = []string{"sh", "-c", "id -u && id -g"}

// GiveCommand returns a command that gives directories to an owner, such as "1000:1000". It
// follows no links and skips missing directories.
func GiveCommand(owner string, dirs []string) []string {
	return append([]string{"sh", "-c", give, owner}, dirs...)
}

// HostFile is a file of the hooks' host, readable in a container.
type HostFile struct {
	// Source is the path on the host, Target the path in the container.
	Source, Target string
	// Version changes when the file's content is expected to change.
	Version string
}

func (pl *planner) helper() (Container, error) {
	version := pl.job.RunnerVersion
	name := helperName(pl.s.Helper.Image, version, pl.facts.Arch)
	image, err := pl.image(Image{Name: name}, helperImage, true)
	c := Container{
		Role: RoleHelper, Image: image,
		Entrypoint: []string{"sh", "-c"}, Command: []string{openCaches(pl.caches()) + serve}, Serves: true,
		Environment: proxies(pl.s.Proxy, nil, pl.direct(nil)),
	}
	if binary := pl.s.Helper.RunnerBinary; binary != "" {
		c.HostFiles = []HostFile{{Source: binary, Target: helperTool, Version: version}}
	}
	return c, err
}

// caches returns where the helper mounts the caches of the job's scope.
func (pl *planner) caches() (dirs []string) {
	for _, c := range (Container{Role: RoleHelper, CachePath: pl.cachePath(), CachePaths: pl.cachePaths()}).Caches() {
		dirs = append(dirs, c.At)
	}
	return dirs
}

// openCaches returns a command that lets jobs of any user write the caches, as the docker
// executor does.
func openCaches(dirs []string) string {
	if len(dirs) == 0 {
		return ""
	}
	return "chmod 0777 '" + strings.Join(dirs, "' '") + "' 2>/dev/null; "
}

// withoutCache returns the helper as made ahead, for jobs of any scope.
func (c Container) withoutCache() Container {
	c.CachePath, c.CacheEnds, c.CachePaths = "", false, nil
	c.Command = []string{serve}
	return c
}

// ToolCheck holds messages about the Runner's program in the helper. A stage that needs the
// program prints them once a job.
type ToolCheck struct {
	// Series is the Runner's version without its patch number, such as "18.6"; empty if any
	// version will do.
	Series string
	// Missing is the message for a missing program.
	Missing string
	// Mismatch is the message for another version of the program, which replaces %s.
	Mismatch string
}

// HelperStage returns the command that runs a script of the helper side from stdin. check
// is nil for stages that do not need the Runner's program.
func HelperStage(check *ToolCheck) []string {
	if check == nil {
		return []string{"sh", "-c", inShell}
	}
	return []string{"sh", "-c", checkTool + inShell, "sh", check.Series, check.Missing, check.Mismatch}
}
