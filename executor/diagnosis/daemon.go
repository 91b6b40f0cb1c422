package diagnosis

// daemonRows are about the way from docker's client to a daemon.
var daemonRows = []row{
	{
		name: "socket-of-the-host",
		shows: anyOf(
			clientSays+`Cannot connect to the Docker daemon at (?P<socket>unix://(?:/var)?/run/docker\.sock)\. Is the docker daemon running\?`,
			clientSays+`failed to connect to the docker API at (?P<socket>unix://(?:/var)?/run/docker\.sock); check if the path is correct`,
		),
		line: "the docker client looks for a daemon at {socket}, and there is none in this job",
		hint: "this runner mounts no socket of the host: leave DOCKER_HOST, DOCKER_CONTEXT and -H out of the pipeline, and the client finds the job's own daemon",
	},
	{
		name:  "socket-permission",
		shows: anyOf(clientSays + `(?:Got )?permission denied while trying to connect to the (?:Docker daemon socket|docker API) at (?P<daemon>[a-z]+://[^\s:;]+)`),
		line:  "the user of the script may not use the docker daemon at {daemon}",
		hint:  "leave DOCKER_HOST out of the pipeline, and the client finds the job's own daemon, which any user may use; or name another user for the socket",
	},
	{
		name: "no-daemon-there",
		shows: anyOf(
			clientSays+`Cannot connect to the Docker daemon at (?P<daemon>(?:tcp|https?|ssh)://[^\s]+?)\. Is the docker daemon running\?`,
			clientSays+`error during connect: .*https?://(?P<daemon>[A-Za-z0-9.:\[\]-]+)/[^\s]*: dial tcp .*(?:connection refused|i/o timeout|no route to host|network is unreachable)$`,
		),
		line: "no docker daemon answers at {daemon}",
		hint: "leave DOCKER_HOST and -H out of the pipeline for the job's own daemon: this runner sets DOCKER_HOST; a daemon elsewhere must be in reach of the job",
	},
	{
		name: "no-such-daemon-host",
		shows: anyOf(
			clientSays+`error during connect: .*dial tcp: lookup (?P<host>[A-Za-z0-9._-]+)(?: on [^\s]+)?: (?:no such host|server misbehaving|Temporary failure in name resolution)`,
			clientSays+`failed to connect to the docker API at [a-z]+://[^\s]+: lookup (?P<host>[A-Za-z0-9._-]+)(?: on [^\s]+)?: no such host`,
		),
		line: "the docker client looks for a daemon on a host named {host}, and there is none for this job",
		hint: "check the name in DOCKER_HOST or -H; the job's own daemon answers to docker, and services to their alias",
	},
	{
		name:  "daemon-without-tls",
		shows: anyOf(clientSays + `error during connect: .*https://(?P<host>[A-Za-z0-9.:\[\]-]+)/[^\s]*: http: server gave HTTP response to HTTPS client`),
		line:  "the docker client asked {host} with TLS, and the daemon there answered without",
		hint:  "for a daemon of another host that has no TLS: DOCKER_TLS_VERIFY= docker -H tcp://{host} …; for the job's own: leave DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_TLS_CERTDIR out of the pipeline",
	},
	{
		name: "daemon-wants-tls",
		shows: anyOf(
			daemonSays+`Client sent an HTTP request to an HTTPS server\.$`,
			clientSays+`Client sent an HTTP request to an HTTPS server\.$`,
			clientSays+`(?:error during connect: )?.*net/http: HTTP/1\.x transport connection broken: malformed HTTP response .*\.$`,
		),
		line: "the docker client asked without TLS, and the daemon wants TLS",
		hint: "something has emptied DOCKER_TLS_VERIFY: leave DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH as this runner sets them, also in CI/CD variables",
	},
	{
		name:  "client-certificates",
		shows: anyOf(clientSays + `(?:unable to resolve docker endpoint: )?open (?P<dir>[^\s:]+)/(?:ca|cert|key)\.pem: (?:no such file or directory|permission denied)`),
		line:  "the docker client looks for its certificates in {dir}, and cannot read them there",
		hint:  "leave DOCKER_CERT_PATH and DOCKER_TLS_CERTDIR out of the pipeline: this runner sets them",
	},
	{
		name:  "old-client",
		shows: anyOf(daemonSays + `client version (?P<client>[0-9.]+) is too old\. Minimum supported API version is (?P<daemon>[0-9.]+)`),
		line:  "the docker client speaks API {client}, its daemon at least {daemon}",
		hint:  "use a newer image for the job, or an older docker:<version>-dind as its service",
	},
	{
		name:  "new-client",
		shows: anyOf(daemonSays + `client version (?P<client>[0-9.]+) is too new\. Maximum supported API version is (?P<daemon>[0-9.]+)`),
		line:  "the docker client speaks API {client}, its daemon at most {daemon}",
		hint:  "use a newer docker:<version>-dind as the service, or set DOCKER_API_VERSION for the client",
	},
	{
		name:  "buildx-create",
		shows: anyOf(clientSays + `could not create a builder instance with TLS data loaded from environment\.`),
		line:  "docker buildx create takes the way to a daemon with TLS from a docker context alone, not from variables",
		hint:  "make a context first: docker context create tls && docker buildx create --use tls",
	},
}
