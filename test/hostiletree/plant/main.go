// Plant fills a directory as an attacker would, who wants the next job to fail or to reach
// forbidden places. The program runs in containers of tests.
//
//	plant [-kind data|project] [-seed N] [-entries N] [-depth N] [-outside PATH,...] DIRECTORY
//
// The output is the number of entries of each kind.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"gitlab-dind-executor/test/hostiletree"
)

func main() {
	var o hostiletree.Options
	kind := flag.String("kind", string(hostiletree.DataRoot), "what the directory is for: data or project")
	flag.Int64Var(&o.Seed, "seed", 1, "what all that is made follows from")
	flag.IntVar(&o.Entries, "entries", 300, "about how many entries are made")
	flag.IntVar(&o.Depth, "depth", 1000, "how deep they lie at most")
	flag.BoolVar(&o.Honest, "honest", false, "spare what a daemon needs")
	outside := flag.String("outside", "/usr/sbin,/etc,/usr/local/sbin,/etc/passwd,/", "where links lead")
	flag.Parse()
	o.Kind, o.Outside, o.Filled = hostiletree.Kind(*kind), strings.Split(*outside, ","), true
	if flag.NArg() != 1 || (o.Kind != hostiletree.DataRoot && o.Kind != hostiletree.Project) {
		flag.Usage()
		os.Exit(2)
	}
	report, err := hostiletree.Plant(flag.Arg(0), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	for _, name := range slices.Sorted(maps.Keys(report)) {
		fmt.Printf("planted: %d %s\n", report[name], name)
	}
}
