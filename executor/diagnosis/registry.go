package diagnosis

// registryRows are about the way from a daemon to a registry.
var registryRows = []row{
	{
		name:    "registry-ca",
		section: "x509: certificate signed by unknown authority",
		shows:   anyOf(asked + `(?:tls: failed to verify certificate: )?x509: certificate signed by unknown authority` + end),
		line:    "the certificate of {host} is signed by a CA that the docker daemon does not know",
		hint:    `ask the runner's admin to name the CA in dind.toml: [registry."host:port"] ca_file = "…"; a builder of docker buildx create needs it in its own --buildkitd-config`,
	},
	{
		name:    "registry-without-tls",
		section: "http: server gave HTTP response to HTTPS client",
		shows:   anyOf(asked + `http: server gave HTTP response to HTTPS client` + end),
		line:    "registry {host} has no TLS",
		hint:    `give the registry a certificate, or ask the runner's admin for [registry."host:port"] insecure = true in dind.toml`,
	},
	{
		name:    "registry-unreachable",
		section: "connect: connection refused",
		shows:   anyOf(asked + `dial tcp [^\s]+: connect: (?P<why>connection refused|no route to host|network is unreachable)` + end),
		line:    "the docker daemon does not reach registry {host}: {why}",
		hint:    "check the registry's name and port (localhost is the daemon's, not the job's); if they are right, the runner's admin looks for a registry that is down, a firewall, or a proxy that is missing in [proxy]",
	},
	{
		name:    "registry-silent",
		section: "Client.Timeout exceeded while awaiting headers",
		shows:   anyOf(asked + `(?:context deadline exceeded|net/http: request canceled(?: while waiting for connection)?|net/http: TLS handshake timeout|dial tcp [^\s]+: i/o timeout|dial tcp [^\s]+: connect: connection timed out|read tcp [^\s]+: read: connection timed out)(?: \(Client\.Timeout (?:exceeded|or context cancellation) while [a-z ]+\))?` + end),
		line:    "registry {host} did not answer the docker daemon in time",
		hint:    "run the job again; if it stays so, the runner's admin looks for a firewall, a proxy that is missing in [proxy], or an MTU that is too large (network.mtu)",
	},
	{
		name:    "no-such-registry",
		section: "no such host",
		shows:   anyOf(asked + `dial tcp: lookup (?P<name>[A-Za-z0-9._-]+)(?: on [^\s]+)?: no such host` + end),
		line:    "the docker daemon finds no host {name}",
		hint:    "check the registry's name in that of the image; if it is right, the runner's admin looks at the name servers of this host (network.dns)",
	},
	{
		name:    "no-name-server",
		section: "server misbehaving",
		shows:   anyOf(asked + `dial tcp: lookup (?P<name>[A-Za-z0-9._-]+)(?: on [^\s]+)?: (?:server misbehaving|i/o timeout|Temporary failure in name resolution|read udp [^\s]+: (?:i/o timeout|read: connection refused))` + end),
		line:    "no name server told the docker daemon where {name} is",
		hint:    "run the job again; if it stays so, the runner's admin looks at the name servers of this host (network.dns)",
	},
	{
		name:    "no-proxy",
		section: "proxyconnect tcp",
		shows:   anyOf(asked + `proxyconnect tcp: `),
		line:    "the docker daemon does not get through its proxy to {host}",
		hint:    "the proxy comes from [proxy] of dind.toml, or from HTTPS_PROXY of the pipeline: check its address, and NO_PROXY for registries within",
	},
	{
		name:    "registry-broken",
		section: "received unexpected HTTP status: 503",
		shows:   anyOf(answered + `(?P<status>5\d\d [A-Z][A-Za-z ]+)` + end),
		line:    "the registry failed by itself: {status}",
		hint:    "run the job again later; if it is your own registry, its admin finds the reason in its log",
	},
	{
		name:    "pull-limit",
		section: "toomanyrequests: ",
		shows:   anyOf(toolSays+`\btoomanyrequests: `, passedOn+`toomanyrequests: `, answered+`429 Too Many Requests`),
		line:    "the registry was asked too often, and turns this job away for now",
		hint:    "log in to it before, or pull through the dependency proxy; the runner's admin can set up a mirror ([mirror])",
	},
}
