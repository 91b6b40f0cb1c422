package plan

import (
	"path"
	"strings"
)

// helperTool is the Runner's own program under the name by which scripts call
// it for caches and artifacts.
const helperTool = "/usr/local/bin/gitlab-runner"

// inShell becomes a shell for a script of the helper side, with a umask that lets
// a job image of any user write the sources.
const inShell = "umask 0000; " + DetectShell

// OwnUmask lets a script of the helper side make files as its own user alone may
// write them. It is for jobs whose files are given to their user (Owned).
func OwnUmask(script []byte) []byte { return append([]byte("umask 0022\n"), script...) }

// Owned are the directories that hold a job's files, and are given to the user of its
// container where the job asks for that: sources, and file variables. There are none
// for a project's directory outside of that of all projects.
func Owned(buildsDir, projectDir string) []string {
	if projectDir == buildsDir { // which GIT_CLONE_PATH may say
		return []string{projectDir}
	}
	if below, ok := strings.CutPrefix(projectDir, buildsDir+"/"); !ok || below == "" || path.Clean(projectDir) != projectDir {
		return nil
	}
	return []string{projectDir, projectDir + ".tmp"}
}

// ShowUser is the command that prints the ids of a container's user and its group.
var ShowUser = []string{"sh", "-c", "id -u && id -g"}

// GiveCommand gives directories to an owner as "1000:1000", and follows no link. What is
// not there is passed over.
func GiveCommand(owner string, dirs []string) []string {
	return append([]string{"sh", "-c", give, owner}, dirs...)
}

// HostFile is a file of the host on which hooks run, for reading in a container.
type HostFile struct {
	// Source is its path on the host, Target that in the container.
	Source, Target string
	// Version changes when the file is expected to.
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

// caches are where the helper has those of the job's scope.
func (pl *planner) caches() (dirs []string) {
	for _, c := range (Container{Role: RoleHelper, CachePath: pl.cachePath(), CachePaths: pl.cachePaths()}).Caches() {
		dirs = append(dirs, c.At)
	}
	return dirs
}

// openCaches lets jobs of any user write the caches, as with the docker executor.
func openCaches(dirs []string) string {
	if len(dirs) == 0 {
		return ""
	}
	return "chmod 0777 '" + strings.Join(dirs, "' '") + "' 2>/dev/null; "
}

// withoutCache is the helper as it is made ahead, for jobs of any scope.
func (c Container) withoutCache() Container {
	c.CachePath, c.CacheEnds, c.CachePaths = "", false, nil
	c.Command = []string{serve}
	return c
}

// ToolCheck is what a stage that needs the Runner's program says, once a job,
// about one that does not serve.
type ToolCheck struct {
	// Series is the Runner's version without its patch number, "18.6"; empty
	// where any will do.
	Series string
	// Missing is said when there is no such program.
	Missing string
	// Mismatch is said of a program of another version, which stands for %s.
	Mismatch string
}

// HelperStage is the command that runs a script of the helper side on its stdin.
// check is nil for stages that do without the Runner's program.
func HelperStage(check *ToolCheck) []string {
	if check == nil {
		return []string{"sh", "-c", inShell}
	}
	return []string{"sh", "-c", checkTool + inShell, "sh", check.Series, check.Missing, check.Mismatch}
}
