package plan

// helperTool is the Runner's own program under the name by which scripts call
// it for caches and artifacts.
const helperTool = "/usr/local/bin/gitlab-runner"

// serve gives the helper the Runner's program under that name, since the official
// image has another one only, and then lets it run one script after the other as
// they come on its stdin: a process more in a container, by exec, takes the engine
// ten times as long. Each comes behind a line with its length in bytes and a
// token, which is said when the helper turns to it and, with its exit code,
// behind all that it printed; "-" is for one that could not be taken.
const serve = `command -v gitlab-runner >/dev/null || { ` +
	`mkdir -p /usr/local/bin && ln -sf "$(command -v gitlab-runner-helper)" ` + helperTool + `; } 2>/dev/null
f=${TMPDIR:-/tmp}/.gitlab-dind-executor-script
command -v head >/dev/null && while read -r n t; do
  echo "$t"
  if (umask 077 && head -c "$n" >"$f"); then
    (exec <"$f"; rm -f "$f"; ` + inShell + `) 2>&1
    echo "$t $?"
  else
    echo "$t -"
  fi
done
exec tail -f /dev/null`

// inShell becomes a shell for a script of the helper side, with a umask that lets
// a job image of any user write the sources.
const inShell = "umask 0000; " + DetectShell

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
		Entrypoint: []string{"sh", "-c"}, Command: []string{openCache(pl.cachePath()) + serve}, Serves: true,
		Environment: proxies(pl.s.Proxy, nil, pl.direct(nil)),
	}
	if binary := pl.s.Helper.RunnerBinary; binary != "" {
		c.HostFiles = []HostFile{{Source: binary, Target: helperTool, Version: version}}
	}
	return c, err
}

// openCache lets jobs of any user write the cache, as with the docker executor.
func openCache(dir string) string {
	if dir == "" {
		return ""
	}
	return "chmod 0777 '" + dir + "' 2>/dev/null; "
}

// withoutCache is the helper as it is made ahead, for jobs of any scope.
func (c Container) withoutCache() Container {
	c.CachePath, c.CacheEnds = "", false
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

// checkTool says what is wrong with the Runner's program, if anything: $1, $2
// and $3 are the fields of a ToolCheck. A file remembers that it was done. It
// is part of the stage's own command, since another would take as long again.
const checkTool = `f=${TMPDIR:-/tmp}/.gitlab-dind-executor-checked
if [ ! -e "$f" ]; then
  touch "$f" 2>/dev/null
  if v=$(gitlab-runner --version 2>/dev/null </dev/null); then
    v=$(echo "$v" | sed -n 's/^Version: *//p')
    case $v in "$1".*) ;; [0-9]*) [ -z "$1" ] || printf "$3\n" "$v" ;; esac
  else
    printf '%s\n' "$2"
  fi
fi
`

// HelperStage is the command that runs a script of the helper side on its stdin.
// check is nil for stages that do without the Runner's program.
func HelperStage(check *ToolCheck) []string {
	if check == nil {
		return []string{"sh", "-c", inShell}
	}
	return []string{"sh", "-c", checkTool + inShell, "sh", check.Series, check.Missing, check.Mismatch}
}
