// Command testreport reads the output of go test -json from its standard input
// and prints what a person wants to know of it: a line for each package, the
// output of what failed, and the counts. It fails when a test failed, when one
// was skipped, and when none ran: a test that is not run proves nothing.
//
//	go test -json ./... | testreport [-o FILE]
//
// It may import the standard library only.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	file := flag.String("o", "", "also write the JSON stream to this `file`")
	flag.Parse()
	// go test ends by itself on a signal; what it still says is wanted.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	ok, err := run(os.Stdin, os.Stdout, *file)
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\nhint: this reads the output of go test -json\n", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run reports whether all went well, and copies the stream to a file where one
// is named.
func run(in io.Reader, out io.Writer, file string) (ok bool, err error) {
	if file != "" {
		f, err := os.Create(file)
		if err != nil {
			return false, err
		}
		defer f.Close()
		in = io.TeeReader(in, f)
	}
	r := newReport(out)
	if err := r.read(in); err != nil {
		return false, err
	}
	r.summary()
	if file != "" {
		fmt.Fprintf(out, "as JSON: %s\n", file)
	}
	return r.ok(), nil
}
