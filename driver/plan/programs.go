package plan

import (
	_ "embed"
	"strings"
)

// The texts of the shell programs for sidecars, helpers and job containers. Each file's
// head describes its program. A test compares the literals in these programs with the
// constants of this package.
var (
	//go:embed programs/takefiles.sh
	takeFilesText string
	//go:embed programs/writablecgroups.sh
	writableCgroupsText string
	//go:embed programs/gvisor.sh
	gvisorText string
	//go:embed programs/findnames.sh
	findNamesText string
	//go:embed programs/plantseed.sh
	plantSeedText string
	//go:embed programs/askmirror.sh
	askMirrorText string
	//go:embed programs/containerd.sh
	startContainerdText string
	//go:embed programs/forget.sh
	forgetText string
	//go:embed programs/forgetfirst.sh
	forgetFirstText string
	//go:embed programs/handover.sh
	handOverText string
	//go:embed programs/dropnamed.sh
	dropNamedText string
	//go:embed programs/bootlast.sh
	bootLastText string
	//go:embed programs/serve.sh
	serveText string
	//go:embed programs/checktool.sh
	checkToolText string
	//go:embed programs/give.sh
	giveText string
	//go:embed programs/buildx.sh
	buildxText string
	//go:embed programs/placebuildx.sh
	placeBuildxText string
)

var (
	takeFiles       = program(takeFilesText)
	writableCgroups = program(writableCgroupsText)
	gvisor          = program(gvisorText)
	findNames       = program(findNamesText)
	plantSeed       = program(plantSeedText)
	askMirror       = program(askMirrorText)
	startContainerd = program(startContainerdText)
	forgetFirst     = program(forgetFirstText)
	handOver        = program(handOverText)
	dropNamed       = program(dropNamedText)
	bootLast        = program(bootLastText)
	checkTool       = program(checkToolText)
	give            = program(giveText)

	// serve is the helper's program. It runs scripts of the helper side in inShell.
	serve = "in_shell() { " + inShell + "; }\n" + program(serveText)
	// placeBuildx is the beginning of each script of the job.
	placeBuildx = strings.Replace(program(placeBuildxText), "\t(\n", "\t(\n\t\twrapper="+quote(program(buildxText))+"\n", 1)
	// forgetNames defines the shell function forget_names. It makes containerd forget the
	// names of images, within 20 s. $1 is containerd's socket, $2 the names that stay.
	forgetNames = "forget_names() { command -v ctr >/dev/null && timeout 20 sh -c " +
		quote(program(forgetText)) + ` "$1" "$2" >/dev/null 2>&1; }` + "\n"
)

// program returns the text of a file without comments, because the engine shows the text in
// its description of a container.
func program(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimLeft(line, "\t"), "# ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// quote quotes a text as a single word for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
