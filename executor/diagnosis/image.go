package diagnosis

// imageRows are about images that a registry or this host has, or has not.
var imageRows = []row{
	{
		name:    "pull-denied",
		section: "pull access denied for",
		shows: anyOf(
			`(?:`+toolSays+`|`+passedOn+`)(?:failed to resolve reference "[^"]*": )?pull access denied(?: for (?P<image>[^\s,]+))?, repository does not exist or may require (?:'docker login'|authorization: server message: insufficient_scope)`,
			`Error: (?:creating build container: )?initializing source docker://(?P<image>[^\s]+): .*: errors: denied: requested access to the resource is denied`,
		),
		line: "there is no image {image|of this name}, or the job must log in to see it",
		hint: "check the image's name: without a registry in it, it is the Docker Hub's; if it is private, log in before: " + howToLogIn,
	},
	{
		name:    "no-such-image",
		section: "manifest unknown",
		shows: anyOf(
			toolSays+`manifest for (?P<image>[^\s]+) not found(?:: |`+end+`)`,
			passedOn+`manifest for (?P<image>[^\s]+) not found(?:: |`+end+`)`,
			daemonSays+`(?:Head "[^"]*": )?manifest unknown(?:: manifest unknown)*`+end,
			passedOn+`manifest unknown(?:: manifest unknown)*`+end,
			podmanSays+`.*reading manifest (?P<tag>[^\s]+) in (?P<image>[^\s]+): (?:manifest unknown|name unknown)`,
			`(?:`+daemonSays+`|`+passedOn+`)failed to resolve reference "(?P<image>[^"]+)": [^\s]+: not found`+end,
			buildSays+`(?:.*: )?failed to resolve source metadata for (?P<image>[^\s]+): [^\s]+: not found`+end,
		),
		line: "the registry has no image {image|of this name and tag}",
		hint: "check its name and tag, and whether the job that pushes it has run and succeeded",
	},
	{
		name:    "no-platform",
		section: "no matching manifest for",
		shows: anyOf(
			`(?:`+toolSays+`|`+passedOn+`)no matching manifest for (?P<platform>[a-z0-9]+/[a-z0-9/]+) in the manifest list entries`,
			`(?:`+toolSays+`|`+passedOn+`(?:failed to resolve reference "[^"]*": )?)no match for platform in manifest`,
			podmanSays+`.*no image found in (?:manifest list|image index) for (?P<platform>architecture "?[a-z0-9]+"?)`,
		),
		line: "the image is there, and not for {platform|this platform}",
		hint: "take a tag that is built for it; with --platform another platform's image can be pulled, and running it needs emulation",
	},
	{
		name:    "not-built-here",
		section: "An image does not exist locally with the tag",
		shows: anyOf(
			clientSays+`An image does not exist locally with the tag: (?P<image>[^\s]+)$`,
			clientSays+`tag does not exist: (?P<image>[^\s]+)$`,
			daemonSays+`No such image: (?P<image>[^\s]+?)`+end,
			`Error: No such image: (?P<image>[^\s]+)$`,
		),
		line: "the job's docker daemon has no image {image}",
		hint: "check name and tag: build or tag it in this job, or pull it before; images that another job built are not here",
	},
}
