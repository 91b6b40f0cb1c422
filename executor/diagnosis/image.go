package diagnosis

// imageRows are about images that a registry has, or has not.
var imageRows = []row{
	{
		name:  "push-denied",
		shows: anyOf(daemonSays+`denied: requested access to the resource is denied$`, buildSays+`.*failed to push [^\s]+: (?:failed to push: )?denied: requested access to the resource is denied$`, passedOn+`denied: requested access to the resource is denied$`),
		line:  "the registry denies the job what it asked for",
		hint:  "check the image's name, and that the job is logged in as somebody who may do this (a job token pushes to its own project only)",
	},
	{
		name:  "pull-denied",
		shows: anyOf(`(?:` + toolSays + `|` + passedOn + `)pull access denied(?: for (?P<image>[^\s,]+))?, repository does not exist or may require`),
		line:  "the registry has no image {image|of this name}, or the job must log in to see it",
		hint:  "check the image's name with its registry and port; log in before if it is private",
	},
}
