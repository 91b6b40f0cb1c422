package plan

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
