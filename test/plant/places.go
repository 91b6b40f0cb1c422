package plant

// Place is a file on the host that a hook or a command opens. docs/security.md has the same
// list. The list there also names other users with write access, and the protection.
type Place struct {
	// Name is the first cell of the place's row.
	Name string
	// Walker is the package whose tests plant things in the place. It is empty where no test
	// does.
	Walker string
	// Unwalked is the reason for the lack of a test.
	Unwalked string
}

// Places are all the places.
var Places = []Place{
	{Name: "note of use in the volume of certificates", Walker: "driver"},
	{Name: "certificates in their volume", Walker: "driver"},
	{Name: "volume of the CAs of registries", Walker: "driver"},
	{Name: "locks", Walker: "driver/host"},
	{Name: "what is remembered of the engine and of jobs", Walker: "driver/host"},
	{Name: "`helper.runner_binary`", Walker: "driver"},
	{Name: "bundle of a failed job", Walker: "executor"},
	{Name: "bundle that `explain` reads", Walker: "executor"},
	{Name: "`caches-looked-after`", Walker: "executor"},
	{Name: "`swept`", Walker: "executor"},
	{Name: "`log.file`", Walker: "executor"},
	{Name: "`log.file` that `metrics` reads", Walker: "executor"},
	{Name: "`log.file` that `explain` reads", Walker: "executor"},
	{Name: "tally of `metrics`", Walker: "executor"},
	{Name: "lock of `metrics`", Walker: "executor"},
	{Name: "`collector-down`", Walker: "executor"},
	{Name: "`--trace`", Walker: "executor"},
	{Name: "`metrics --textfile`", Walker: "executor"},
	{Name: "`register --write`", Walker: "executor"},
	{Name: "`register --write-settings`", Walker: "executor"},
	{Name: "`BUILD_EXIT_CODE_FILE`", Walker: "executor"},
	{Name: "`gitlab-dind-executor-peak`, beside it", Walker: "executor"},
	{Name: "`gitlab-dind-executor-traffic`, beside it", Walker: "executor"},
	{Name: "`gitlab-dind-executor-containers`, beside it", Walker: "executor"},
	{Name: "`JOB_RESPONSE_FILE`", Walker: "executor"},
	{Name: "script of a stage", Walker: "executor"},
	{Name: "settings", Walker: "executor"},
	{Name: "`/etc/docker/certs.d/HOST/*.crt`", Unwalked: "root alone writes there, and what is no file is left to the engine"},
	{Name: "`ca_file`", Walker: "executor"},
	{Name: "`mirror.password_file`", Walker: "executor"},
	{Name: "`OTEL_EXPORTER_OTLP_CERTIFICATE`", Walker: "executor"},
	{Name: "`config.json` of Docker's client", Walker: "executor"},
	{Name: "`register --token-file`", Unwalked: "a person names it, and it may be a pipe from a command"},
	{Name: "files of `try`", Unwalked: "a person runs it in a repository of their own; the rest is a fresh directory"},
	{Name: "`/proc`, `/sys`, `/etc/machine-id`, `/etc/resolv.conf`", Unwalked: "whoever writes there is the kernel or root"},
	{Name: "sockets of the engine and of the journal", Unwalked: "whoever makes them is root"},
	{Name: "mounts in a volume that is removed", Unwalked: "nothing is opened: a handle leads to the mount, and through no link"},
	{Name: "seeds and data roots", Unwalked: "no hook opens them on the host: package driver/dataroot does in containers"},
}
