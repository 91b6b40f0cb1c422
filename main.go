// Command gitlab-dind-executor is a driver for GitLab Runner's custom executor. The driver
// gives each job its own Docker daemon.
package main

import (
	"os"

	"gitlab-dind-executor/executor"
)

func main() {
	os.Exit(executor.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
