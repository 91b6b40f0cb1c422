package diagnosis

// shellRows are what a shell says that did not get as far as docker.
var shellRows = []row{}
