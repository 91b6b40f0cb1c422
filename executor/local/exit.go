package local

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// The Runner names these exit codes to the hooks.
const (
	buildFailureExit  = 1
	systemFailureExit = 2
)

// exitError gives a hook's end its meaning. A build failure takes the script's exit code
// from codeFile, which nobody resets between stages.
func exitError(err error, codeFile string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch code := exit.ExitCode(); code {
	case buildFailureExit:
		return buildFailure(exit, codeFile)
	case systemFailureExit:
		return exit
	default:
		return &unknownExitError{code: code, err: exit}
	}
}

func buildFailure(exit error, codeFile string) error {
	f, err := os.Open(codeFile)
	if err != nil {
		// The driver need not write the file.
		return &jobError{reason: reasonScript, exitCode: buildFailureExit, err: exit}
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan()
	code, err := strconv.Atoi(lines.Text())
	if err != nil {
		return &unknownExitError{code: systemFailureExit, err: exit}
	}
	return &jobError{reason: reasonScript, exitCode: code, err: fmt.Errorf("exit status %d", code)}
}
