package diagnosis

// howToLogIn keeps a password out of the list of processes.
const howToLogIn = `echo "$CI_REGISTRY_PASSWORD" | docker login -u "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"`

// loginRows are about a job's account at a registry.
var loginRows = []row{
	{
		name:    "nothing-to-log-in-with",
		section: "annot perform an interactive login from a non TTY device",
		shows: anyOf(
			`(?:Error: C|error: c)annot perform an interactive login from a non[ -]TTY device$`,
			`Must provide --username with --password-stdin$`,
			`the --password-stdin option requires --username to be set$`,
			`Error: Password Required$`,
			`(?:Password: )?Error: getting username and password: reading (?:password|username): `,
		),
		common: anyOf(`(?:Error: )?(?:username|password) is empty$`),
		line:   "docker login got no user or no password",
		hint:   "a variable may be empty here: a protected one is there for protected branches and tags alone, and one of an environment for its jobs alone",
	},
	{
		name:    "login-refused",
		section: "HTTP Basic: Access denied",
		shows: anyOf(
			asked+`unauthorized: (?:HTTP Basic: Access denied|incorrect username or password|authentication failed)`,
			toolSays+`login attempt to https?://(?P<host>[A-Za-z0-9.:\[\]-]+)/[^\s]* failed with status: 40[13] `,
			`Error: logging into "(?P<host>[^"]+)": invalid username/password$`,
			passedOn+`unauthorized: (?:HTTP Basic: Access denied|incorrect username or password)`,
		),
		line: "{host|the registry} does not take this user and password",
		hint: "in a job these serve GitLab's own registry: " + howToLogIn + "; a token from a variable may have expired, or be empty on a branch that is not protected",
	},
	{
		name:    "no-login",
		section: "no basic auth credentials",
		shows:   anyOf(toolSays+`\bno basic auth credentials`+end, asked+`no basic auth credentials`+end, passedOn+`(?:(?:failed to resolve reference "[^"]*": )?(?:push|pull) access denied, repository does not exist or may require authorization: authorization failed: )?no basic auth credentials`+end),
		line:    "the job is not logged in to the registry",
		hint:    "log in before, by the registry's name with its port: " + howToLogIn,
	},
	{
		name:    "login-wanted",
		section: "unauthorized: authentication required",
		shows: anyOf(
			answered+`401 Unauthorized`,
			toolSays+`unauthorized: authentication required`+end,
			passedOn+`unauthorized(?:: authentication required)`+end,
		),
		line: "the registry wants a login, or does not take the one that it got",
		hint: "log in before, by the registry's name with its port: " + howToLogIn,
	},
	{
		name:    "access-denied",
		section: "denied: requested access to the resource is denied",
		shows: anyOf(
			answered+`403 Forbidden`,
			daemonSays+`(?:(?:Get|Head) "[^"]*": )?denied: (?:requested access to the resource is denied|access forbidden|Your authorization token has expired)`,
			buildSays+`(?:.*: )?failed to push [^\s]+: (?:failed to push: )?denied: `,
			`(?:`+buildSays+`.*|`+passedOn+`)push access denied, repository does not exist or may require authorization: (?:server message: )?insufficient_scope`,
			`Error: (?:writing blob|trying to reuse blob)\b.*(?:: |errors: )(?:denied: |Requesting bearer token: invalid status code from registry 403)`,
			passedOn+`(?:(?:Get|Head) "[^"]*": )?denied: (?:requested access to the resource is denied|access forbidden|Your authorization token has expired)`,
		),
		line: "the registry denies the job what it asked for",
		hint: "check the image's name and who is logged in, and whether they may do this: a job token pushes to its own project only",
	},
}
