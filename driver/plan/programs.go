package plan

import (
	_ "embed"
	"strings"
)

// The shell programs that run in sidecars, helpers and job containers. Each tells at its top what
// it does; their literals are constants of this package, which a test compares.
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

	// serve is the helper's program; a script of the helper side runs in inShell.
	serve = "in_shell() { " + inShell + "; }\n" + program(serveText)
	// placeBuildx is what a script of the job begins with.
	placeBuildx = strings.Replace(program(placeBuildxText), "\t(\n", "\t(\n\t\twrapper="+quote(program(buildxText))+"\n", 1)
	// forgetNames defines forget_names, which forgets the names of images in
	// containerd, in at most 20 s: $1 is its socket, $2 holds names that stay.
	forgetNames = "forget_names() { command -v ctr >/dev/null && timeout 20 sh -c " +
		quote(program(forgetText)) + ` "$1" "$2" >/dev/null 2>&1; }` + "\n"
)

// program is the text of a file without its comments, which would only lengthen
// what the engine shows of a container.
func program(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimLeft(line, "\t"), "# ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// quote makes one word of a text, for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
