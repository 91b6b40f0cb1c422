package diagnosis

// containerRows are about a daemon's own work.
var containerRows = []row{
	{
		name:      fullDisk,
		section:   "no space left on device",
		shows:     anyOf(daemonSays+`.*no space left on device`, buildSays+`.*no space left on device`, passedOn+`failed to register layer: .*no space left on device`, `failed to (?:ingest|copy|send|extract|prepare|commit|mount|create) .*/var/lib/docker/.*no space left on device$`, `Error processing tar file\(exit status 1\): .*no space left on device$`, `(?:write|mkdir|open|symlink|copy) /var/lib/docker/[^\s]+: no space left on device$`),
		stepShows: anyOf(`.*[Nn]o space left on device$`),
		line:      "a disk is full",
		hint:      "the job's images and layers are on the runner host's disk: make builds smaller, or tell the runner's admin (df -h, gitlab-dind-executor gc)",
	},
	{
		name:    "no-address-range",
		section: "all predefined address pools have been fully subnetted",
		shows:   anyOf(daemonSays+`.*(?:could not find an available, non-overlapping IPv4 address pool|all predefined address pools have been fully subnetted)`, `(?:ERROR: )?(?:failed to create network [^\s]+: )?(?:could not find an available, non-overlapping IPv4 address pool|all predefined address pools have been fully subnetted)`),
		line:    "the docker daemon has no address range left for one more network",
		hint:    "remove networks that are not needed any more (docker network prune), or ask the runner's admin for wider ranges in network.inner_pools",
	},
	{
		name:    "port-taken",
		section: "port is already allocated",
		shows:   anyOf(daemonSays + `.*(?:Bind for [^\s]+:(?P<port>\d+) failed: port is already allocated|failed to bind (?:host )?port (?:for )?[^\s]*?:(?P<port>\d+)[^\s]*: (?:address already in use|port is already allocated))`),
		line:    "port {port} is taken at the docker daemon",
		hint:    "publish another port, or stop the container that has it: a job's own daemon begins empty, so this job started it; 2375 and 2376 are the daemon's own",
	},
	{
		name:    "name-taken",
		section: "Conflict. The container name",
		shows:   anyOf(daemonSays + `.*Conflict\. The container name "/(?P<name>[^"]+)" is already in use by container`),
		line:    "the docker daemon has a container {name} already",
		hint:    "remove it before (docker rm -f {name}), or start it with --rm; a job's own daemon begins empty, so it was made in this job",
	},
	{
		name:    "nothing-to-mount",
		section: "bind source path does not exist",
		shows:   anyOf(daemonSays + `.*invalid mount config for type "bind": bind source path does not exist: (?P<path>[^\s]+?)` + end),
		line:    "the docker daemon has no {path} to mount",
		hint:    "the daemon is another container: it sees what is below the project's folder ($CI_PROJECT_DIR, $CI_BUILDS_DIR), and nothing else of the job",
	},
	{
		name:    "wrong-binary",
		section: "exec format error",
		shows: anyOf(
			`exec (?P<program>[^\s]+): exec format error$`,
			`standard_init_linux\.go:\d+: exec user process caused(?: "|: )exec format error"?$`,
			daemonSays+`.*exec format error`,
			shellSays+`(?P<program>[^\s:]+): (?:cannot execute binary file: )?Exec format error$`,
		),
		stepShows: anyOf(
			`(?:.*: )?exec (?P<program>[^\s]+): exec format error$`,
			`standard_init_linux\.go:\d+: exec user process caused(?: "|: )exec format error"?$`,
			shellSays+`(?P<program>[^\s:]+): (?:cannot execute binary file: )?Exec format error$`,
		),
		line: "{program|a program} cannot run here: it is for another architecture, or a script without a first line such as #!/bin/sh",
		hint: "for another platform (--platform) use an image of this one, or set up emulation in the job before (tonistiigi/binfmt, needs a privileged daemon); else mend the first line",
	},
}
