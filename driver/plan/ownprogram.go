package plan

// Commands of this program that run in a container of their own, with a volume in
// it which others may have written. Their contract:
//
//	gitlab-dind-executor clear-data-root PATH SECONDS
//	gitlab-dind-executor empty-volume PATH SECONDS
//	gitlab-dind-executor copy-data-root PATH SECONDS
//
// PATH is where the volume is mounted. No other container may have the volume
// meanwhile, and the program's container needs no network. It needs root, /proc and
// the capabilities DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, CHOWN and LINUX_IMMUTABLE.
// The file system at / may be read-only. Either command may be run again, whatever
// a killed one has left. SIGTERM ends it with CommandFault.
//
// CopyCommand copies the cleared data root at CopySource, which nobody writes
// meanwhile, to an empty one, by sharing blocks alone. It needs SYS_ADMIN, MKNOD,
// FSETID and SETFCAP besides. An end with CommandFault or CommandNotShared leaves the
// empty one empty; after any other end it must be cleared.
//
// Each prints one line on stderr and nothing on stdout, and ends with a code below.
const (
	ClearCommand = "clear-data-root"
	EmptyCommand = "empty-volume"
	CopyCommand  = "copy-data-root"
	// CopySource is where a container that copies has what it copies.
	CopySource = "/source"

	// CommandDone: the data root may serve a new daemon; the volume is empty.
	CommandDone = 0
	// CommandFault: the command could not do its work here, for a reason that lies
	// with the host. The data root must not serve; a later try may succeed.
	CommandFault = 1
	// CommandThrowAway, of ClearCommand alone: the data root must never serve again.
	// It holds what no daemon writes, or took too long.
	CommandThrowAway = 3
	// CommandNotShared, of CopyCommand alone: the file system does not share blocks.
	CommandNotShared = 4
)

// What a relay is told, which asks Docker's own resolver for a sidecar.
const (
	// ProgramPath is where this program lies in an image of its own.
	ProgramPath = "/gitlab-dind-executor"
	// RelayCommand is the hidden command of a relay. Its arguments are where it
	// listens, and whom it asks.
	RelayCommand = "relay-names"
	// RelayListens and DockerResolver are those arguments.
	RelayListens   = "0.0.0.0:53"
	DockerResolver = "127.0.0.11:53"
	// RelayVariable is the variable by which a sidecar learns of its relay.
	RelayVariable = "GITLAB_DIND_EXECUTOR_RELAY"
	// bridgeVariable is the variable by which it learns of the address of its daemon's
	// bridge.
	bridgeVariable = "GITLAB_DIND_EXECUTOR_BRIDGE"
)
