package plan

// These commands of this program run in a container of their own. The container mounts a
// volume that hostile processes may have written. Their contract:
//
//	gitlab-dind-executor clear-data-root PATH SECONDS
//	gitlab-dind-executor empty-volume PATH SECONDS
//	gitlab-dind-executor copy-data-root PATH SECONDS
//
// PATH is where the volume is mounted. No other container may use the volume meanwhile. The
// program's container needs no network. It needs root, /proc and the capabilities
// DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, CHOWN and LINUX_IMMUTABLE. The file system at /
// may be read-only. Each command may run again after a killed run. SIGTERM ends a command
// with CommandFault.
//
// CopyCommand copies the cleared data root at CopySource to an empty data root, by sharing
// blocks alone. Nobody may write to CopySource meanwhile. The command also needs SYS_ADMIN,
// MKNOD, FSETID and SETFCAP. After CommandFault or CommandNotShared the target is still
// empty; after any other end it must be cleared.
//
// Each command prints one line on stderr and nothing on stdout, and ends with a code below.
const (
	ClearCommand = "clear-data-root"
	EmptyCommand = "empty-volume"
	CopyCommand  = "copy-data-root"
	// CopySource is where the original is mounted in a container that copies.
	CopySource = "/source"

	// CommandDone: the data root may serve a new daemon, or the volume is empty.
	CommandDone = 0
	// CommandFault: the command could not do its work, for a reason of the host's. The data
	// root must not serve; a later try may succeed.
	CommandFault = 1
	// CommandThrowAway, of ClearCommand alone: the data root must never serve again. It
	// contains files that no daemon writes, or clearing took too long.
	CommandThrowAway = 3
	// CommandNotShared, of CopyCommand alone: the file system does not share blocks.
	CommandNotShared = 4
)

// Constants about the relay, which asks Docker's resolver on behalf of a sidecar.
const (
	// ProgramPath is this program's path in its own image.
	ProgramPath = "/gitlab-dind-executor"
	// RelayCommand is the hidden command of a relay. Its arguments are the address where it
	// listens and the address that it asks.
	RelayCommand = "relay-names"
	// RelayListens and DockerResolver are the arguments of RelayCommand.
	RelayListens   = "0.0.0.0:53"
	DockerResolver = "127.0.0.11:53"
	// RelayVariable is the variable with the relay's address in a sidecar.
	RelayVariable = "GITLAB_DIND_EXECUTOR_RELAY"
	// bridgeVariable is the variable with the address of the daemon's bridge in a sidecar.
	bridgeVariable = "GITLAB_DIND_EXECUTOR_BRIDGE"
)
