package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The case is make demo | tee, where Ctrl-C ends tee first.
func TestAProgramCleansUpWhereNobodyReadsOn(t *testing.T) {
	const key = "LAB_TEST_CLEANED"
	if file := os.Getenv(key); file != "" {
		Program("demo", time.Minute, func(context.Context) error {
			fmt.Println("to nobody")
			return os.WriteFile(file, nil, 0o600)
		})
		return
	}
	file := filepath.Join(t.TempDir(), "cleaned")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env, cmd.Stdout = append(os.Environ(), key+"="+file), write
	ended := cmd.Run() // with an error, because the test in the child cannot report its success
	if _, err := os.Stat(file); err != nil {
		t.Errorf("it did not come to its end: %v", ended)
	}
}
