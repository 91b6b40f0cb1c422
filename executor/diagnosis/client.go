package diagnosis

// clientRows are about the client that a script calls, and its plugins.
var clientRows = []row{
	{
		name:    "no-client",
		section: "docker: not found",
		shows: anyOf(
			shellSays+`docker: (?:command )?not found$`,
			`zsh: command not found: docker$`,
			`make(?:\[\d+\])?: docker: (?:No such file or directory|Command not found)$`,
			`(?:/usr/bin/)?env: (?:can't execute )?['‘]?docker['’]?: No such file or directory$`,
		),
		line: "a script calls docker, and the image where it runs has no such command",
		hint: "use an image that has the client, such as image: docker:cli, or install it before (apk add docker-cli, apt-get install docker.io)",
	},
	{
		name:    "no-compose-command",
		section: "docker-compose: not found",
		shows: anyOf(
			shellSays+`docker-compose: (?:command )?not found$`,
			`make(?:\[\d+\])?: docker-compose: (?:No such file or directory|Command not found)$`,
		),
		line: "a script calls docker-compose, and the image where it runs has no such command",
		hint: "newer images have it as docker compose, with a blank; otherwise install docker-compose before",
	},
	{
		name:    "no-plugin",
		section: "is not a docker command",
		shows:   anyOf(`docker: '(?P<plugin>buildx|compose|scout|model)' is not a docker command\.$`, `docker: unknown command: docker (?P<plugin>buildx|compose|scout|model)$`),
		line:    "the docker client of the script's image has no plugin {plugin}",
		hint:    "use an image that has it, such as docker:cli, or install it in before_script (apk add docker-cli-{plugin}, apt-get install docker-{plugin})",
	},
	{
		name:    "no-plugin-for-the-flag",
		section: "unknown flag: --use",
		shows:   anyOf(`unknown (?:shorthand )?flag: (?P<flag>[^ ]+)(?: in [^ ]+)? in docker$`),
		line:    "docker knows no such flag: {flag}",
		hint:    "it may be one of docker buildx or docker compose, and the script's image has no such plugin: apk add docker-cli-buildx docker-cli-compose, or another image; otherwise check the flag",
	},
	{
		name:    "old-client",
		section: "is too old. Minimum supported API version is",
		shows:   anyOf(daemonSays + `(?:\{"message":")?client version (?P<client>[0-9.]+) is too old\. Minimum supported API version is (?P<daemon>[0-9]+\.[0-9]+)`),
		line:    "the docker client speaks API {client}, its daemon at least {daemon}",
		hint:    "use a newer image for the job, or an older docker:<version>-dind as its service",
	},
	{
		name:    "new-client",
		section: "is too new. Maximum supported API version is",
		shows:   anyOf(daemonSays + `(?:\{"message":")?client version (?P<client>[0-9.]+) is too new\. Maximum supported API version is (?P<daemon>[0-9]+\.[0-9]+)`),
		line:    "the docker client speaks API {client}, its daemon at most {daemon}",
		hint:    "use a newer docker:<version>-dind as the service, or set DOCKER_API_VERSION for the client",
	},
	{
		name:    "buildx-create",
		section: "could not create a builder instance with TLS data loaded from environment",
		shows:   anyOf(clientSays + `could not create a builder instance with TLS data loaded from environment\.`),
		line:    "docker buildx create takes the way to a daemon with TLS from a docker context, and not from variables",
		hint:    "make a context first: docker context create tls && docker buildx create --use tls",
	},
	{
		name:    "no-terminal",
		section: "the input device is not a TTY",
		shows:   anyOf(clientSays+`the input device is not a TTY`+end, clientSays+`cannot attach stdin to a TTY-enabled container because stdin is not a terminal`+end),
		line:    "docker is asked for a terminal (-t), and a job has none",
		hint:    "leave -t out: docker run -i and docker exec -i instead of -it",
	},
	{
		name:    "bad-image-name",
		section: "invalid reference format",
		shows: anyOf(
			clientSays+`(?:failed to build: )?invalid tag "(?P<image>[^"]*)": `,
			clientSays+`invalid argument "(?P<image>[^"]*)" for "-t, --tag" flag: invalid reference format`,
			clientSays+`(?:Error response from daemon: |Error parsing reference: "(?P<image>[^"]*)" is not a valid repository/tag: )?invalid reference format(?:: |`+end+`)`,
			buildSays+`(?:.*: )?invalid reference format(?:: |`+end+`)`,
		),
		line: "docker does not take {image|a name in this command} for the name of an image",
		hint: "a variable in it may be empty, or hold capitals, blanks or slashes: names are lower case, and $CI_COMMIT_REF_SLUG serves as a tag",
	},
}
