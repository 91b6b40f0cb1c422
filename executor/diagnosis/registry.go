package diagnosis

// registryRows are about the way from a daemon to a registry, and its answer.
var registryRows = []row{
	{
		name:  "registry-ca",
		shows: anyOf(asked + `.*x509: certificate signed by unknown authority$`),
		line:  "the certificate of {host} is signed by a CA that the docker daemon does not know",
		hint:  `ask the runner's admin to name the CA in dind.toml: [registry."host:port"] ca_file = "…"; a builder of docker buildx create needs it in its own --buildkitd-config`,
	},
	{
		name:  "registry-without-tls",
		shows: anyOf(asked + `.*http: server gave HTTP response to HTTPS client$`),
		line:  "registry {host} has no TLS",
		hint:  `give the registry a certificate, or ask the runner's admin for [registry."host:port"] insecure = true in dind.toml`,
	},
	{
		name:  "no-address-range",
		shows: anyOf(daemonSays+`.*could not find an available, non-overlapping IPv4 address pool`, daemonSays+`.*all predefined address pools have been fully subnetted`, `failed to create network .*(?:could not find an available, non-overlapping IPv4 address pool|all predefined address pools have been fully subnetted)`),
		line:  "the docker daemon has no address range left for one more network",
		hint:  "remove networks that are not needed any more (docker network prune), or ask the runner's admin for wider ranges in network.inner_pools",
	},
	{
		name:  "pull-limit",
		shows: anyOf(toolSays+`\btoomanyrequests: `, toolSays+`\b429 Too Many Requests\b`, passedOn+`toomanyrequests: `),
		line:  "the registry limits how much may be pulled",
		hint:  "log in to it before, or pull through the dependency proxy or a mirror",
	},
	{
		name:  "no-login",
		shows: anyOf(toolSays+`\bno basic auth credentials$`, passedOn+`no basic auth credentials$`),
		line:  "the job is not logged in to the registry",
		hint:  `log in with that registry's name before: echo "$CI_REGISTRY_PASSWORD" | docker login -u "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"`,
	},
}
