package diagnosis

// daemonRows are about the way from docker's client to a daemon.
var daemonRows = []row{
	{
		name:    "socket-of-the-host",
		section: "unix:///var/run/docker.sock",
		shows: anyOf(
			clientSays+`Cannot connect to the Docker daemon at (?P<socket>unix://(?:/var)?/run/docker\.sock)\. Is the docker daemon running\?`,
			clientSays+`failed to connect to the docker API at (?P<socket>unix://(?:/var)?/run/docker\.sock); check if the path is correct`,
			// Docker up to release 26, when variables ask for TLS besides.
			clientSays+`error during connect: (?:Get|Head|Post|Put|Delete) "?https://%2F(?:var%2F)?run%2Fdocker\.sock/[^\s]*: dial tcp: lookup (?:/var)?/run/docker\.sock: no such host`+end,
		),
		line: "no docker daemon is at {socket|unix:///var/run/docker.sock} in this job",
		hint: "this runner mounts no socket: leave DOCKER_HOST, DOCKER_CONTEXT and -H out of the pipeline, and the client finds the job's own daemon",
	},
	{
		name:    "socket-permission",
		section: "permission denied while trying to connect to the",
		shows:   anyOf(clientSays + `(?:Got )?permission denied while trying to connect to the (?:Docker daemon socket|docker API) at (?P<daemon>[a-z]+://[^\s]+?)(?::|` + end + `)`),
		line:    "the user of the script may not use the docker daemon at {daemon}",
		hint:    "leave DOCKER_HOST and -H out of the pipeline for the job's own daemon, which any user may use",
	},
	{
		name:    "no-daemon-there",
		section: "Cannot connect to the Docker daemon at tcp://",
		shows: anyOf(
			clientSays+`Cannot connect to the Docker daemon at (?P<daemon>(?:tcp|https?|ssh)://[^\s]+?)\. Is the docker daemon running\?`,
			clientSays+`error during connect: (?:.*: )?(?:Get|Head|Post) "?(?P<daemon>https?://[A-Za-z0-9.:\[\]-]+)/[^\s]*: dial tcp [^\s]+: (?:connect: (?:connection refused|no route to host|network is unreachable|connection timed out)|i/o timeout)`+end,
		),
		line: "no docker daemon answers at {daemon}",
		hint: "for the job's own daemon leave DOCKER_HOST and -H out of the pipeline: this runner sets DOCKER_HOST; a daemon elsewhere must be in reach of the job",
	},
	{
		name:    "no-such-daemon-host",
		section: "dial tcp: lookup docker on",
		shows: anyOf(
			clientSays+`error during connect: .*dial tcp: lookup (?P<host>[A-Za-z0-9._-]+)(?: on [^\s]+)?: no such host`+end,
			clientSays+`failed to connect to the docker API at [a-z]+://[^\s]+: lookup (?P<host>[A-Za-z0-9._-]+)(?: on [^\s]+)?: no such host`+end,
		),
		line: "there is no host {host} for this job, where the docker client looks for a daemon",
		hint: "check the name in DOCKER_HOST or -H; the job's own daemon is reached as docker, services by their alias",
	},
	{
		name:    "daemon-without-tls",
		section: "http: server gave HTTP response to HTTPS client",
		shows:   anyOf(clientSays + `error during connect: (?:.*: )?(?:Get|Head|Post|Put|Delete) "?https://(?P<host>[A-Za-z0-9.:\[\]-]+)/[^\s]*: http: server gave HTTP response to HTTPS client` + end),
		line:    "the docker client asked {host} with TLS, and was answered without",
		hint:    "for a daemon elsewhere without TLS: DOCKER_TLS_VERIFY= docker -H tcp://{host} …; for the job's own leave DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_TLS_CERTDIR out of the pipeline",
	},
	{
		name:    "daemon-wants-tls",
		section: "Client sent an HTTP request to an HTTPS server",
		shows: anyOf(
			clientSays+`(?:Error response from daemon: )?Client sent an HTTP request to an HTTPS server\.+$`,
			`\* Are you trying to connect to a TLS-enabled daemon without TLS\?`,
		),
		line: "the docker client asked without TLS, and the daemon wants TLS",
		hint: "DOCKER_TLS_VERIFY may be emptied: leave it, DOCKER_HOST and DOCKER_CERT_PATH as this runner sets them, also in CI/CD variables",
	},
	{
		name:    "client-certificates",
		section: "ca.pem: no such file or directory",
		shows: anyOf(
			clientSays + `(?:unable to resolve docker endpoint: )?open (?P<dir>[^\s:]+)/(?:ca|cert|key)\.pem: (?:no such file or directory|permission denied)` + end,
		),
		line: "the docker client looks for its certificates in {dir}, and cannot read them there",
		hint: "leave DOCKER_CERT_PATH and DOCKER_TLS_CERTDIR out of the pipeline: this runner sets them",
	},
	{
		name:    "client-not-known",
		section: "remote error: tls: certificate required",
		shows: anyOf(
			clientSays+`error during connect: .*remote error: tls: (?:certificate required|bad certificate|handshake failure|unknown certificate authority)`+end,
			clientSays+`[Tt]he server probably has client authentication \(--tlsverify\) enabled; check your TLS client certification settings: `,
		),
		line: "the docker daemon does not take the client's certificate, or the client sent none",
		hint: "leave DOCKER_CERT_PATH as this runner sets it; in a container of the job's own use -v \"$DOCKER_CERT_PATH:$DOCKER_CERT_PATH\" with the DOCKER_ variables",
	},
	{
		name:    "daemon-not-known",
		section: "x509: certificate is valid for",
		shows:   anyOf(clientSays + `error during connect: (?:.*: )?(?:Get|Head|Post) "?https://(?P<host>[A-Za-z0-9.:\[\]-]+)/[^\s]*: (?:tls: failed to verify certificate: )?x509: `),
		line:    "the docker client does not take the certificate of the daemon at {host}",
		hint:    "call the job's own daemon as DOCKER_HOST names it, with DOCKER_CERT_PATH as this runner sets it; a daemon elsewhere needs its own --tlscacert, --tlscert and --tlskey",
	},
}
