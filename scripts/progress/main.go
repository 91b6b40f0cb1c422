// Progress runs a script of ours before a person at a terminal. Lines of the script as
// "release: 2 of 9: a package" move a bar, and all others stand above it.
//
//	progress [-steps N -ends REGEXP] -- COMMAND [ARGUMENT...]
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"gitlab-dind-executor/executor/progress"
)

// begins matches the line at the begin of a step: number, number of steps, and name.
var begins = regexp.MustCompile(`^\S+: (\d+) of (\d+): (.+)$`)

func main() {
	steps := flag.Int("steps", 0, "how many steps there are, for a script that does not count them")
	ends := flag.String("ends", "", "what the line that ends a step of such a script matches, a `REGEXP`")
	flag.Parse()
	ended, err := regexp.Compile(*ends)
	if err == nil && flag.NArg() == 0 {
		err = errors.New("no command")
	}
	code := 2
	if err == nil {
		code, err = run(flag.Args(), &board{
			to: os.Stderr, drawn: progress.Terminal(os.Stderr, os.Getenv("TERM")), steps: *steps, ends: ended,
		})
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
	}
	os.Exit(code)
}

// run runs a command, shows its lines, and returns its exit code.
func run(command []string, b *board) (int, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 1, err
	}
	defer read.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, write, write
	// The terminal interrupts the command as well, and the command decides.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	err = cmd.Start()
	write.Close()
	if err != nil {
		return 1, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGTERM {
					_ = cmd.Process.Signal(s) // the command may have ended
				}
			case <-ended:
				return
			}
		}
	}()
	b.show(read)
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 1, nil // a signal has ended it
}

// board is where the lines of a script are shown.
type board struct {
	to io.Writer
	// drawn asks for a bar.
	drawn bool
	// steps and ends are for a script without numbers in its lines.
	steps int
	ends  *regexp.Regexp
	bar   *progress.Show
}

// show shows the lines of a script until they end.
func (b *board) show(script io.Reader) {
	if b.drawn && b.steps > 0 {
		b.begin(b.steps, "")
	}
	lines := bufio.NewReader(script)
	for {
		text, err := lines.ReadString('\n')
		if text != "" {
			b.line(strings.TrimSuffix(text, "\n"))
		}
		if err != nil {
			break
		}
	}
	if b.bar != nil {
		b.bar.End()
	}
}

// line shows a line.
func (b *board) line(text string) {
	m := begins.FindStringSubmatch(text)
	switch {
	case !b.drawn, m == nil && b.steps == 0:
		fmt.Fprintln(b.lines(), text)
	case m != nil:
		steps, _ := strconv.Atoi(m[2]) // only digits; too large a number is a single step
		b.begin(steps, m[3])
	default:
		fmt.Fprintln(b.lines(), text)
		if b.ends.MatchString(text) {
			b.begin(b.steps, "")
		}
	}
}

// lines takes lines above the bar.
func (b *board) lines() io.Writer {
	if b.bar == nil {
		return b.to
	}
	return b.bar.Err()
}

// begin begins a step.
func (b *board) begin(steps int, name string) {
	if b.bar == nil {
		b.bar = progress.New(b.to, b.to, steps, true)
	}
	b.bar.Begin(name)
}
