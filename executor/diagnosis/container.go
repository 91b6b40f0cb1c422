package diagnosis

// containerRows are about what a daemon does itself.
var containerRows = []row{
	{
		name:      fullDisk,
		shows:     anyOf(daemonSays+`.*no space left on device`, buildSays+`.*no space left on device`, `(?:failed to register layer: |write /).*no space left on device$`),
		stepShows: anyOf(`.*[Nn]o space left on device$`),
		line:      "a disk is full",
		hint:      "the job's images and layers are on the runner host's disk: make builds smaller, or tell the runner's admin (df -h, gitlab-dind-executor gc)",
	},
}
