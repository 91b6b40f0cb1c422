package plan

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/config"
)

// ShellMarker is the line that the job container prints when its ENTRYPOINT has reached the
// shell, which now waits for the script.
const ShellMarker = "gitlab-dind-executor: shell is ready"

// ScriptMarker is the line that the shell prints when its script begins to arrive. Without
// this line, an ENTRYPOINT may have started a shell and kept stdin for itself.
const ScriptMarker = "gitlab-dind-executor: script has arrived"

// Announced returns a script of the job with a prelude. The prelude prints ScriptMarker,
// and makes `docker buildx create` work over TLS. It also sends stderr to stdout: over two
// streams the engine mixes their order, and an error could follow the next command's
// output.
func Announced(script []byte) []byte {
	return append([]byte("exec 2>&1\necho '"+ScriptMarker+"'\n"+placeBuildx), script...)
}

// DetectShell is a shell command that becomes bash, or sh if there is no bash, with the
// script on stdin.
const DetectShell = `for s in /usr/local/bin/bash /usr/bin/bash /bin/bash; do [ -x "$s" ] && exec "$s"; done; exec sh`

// certificateSlack keeps certificates valid for the after_script of a job that has used up
// its time, and for a clock that is off.
const certificateSlack = time.Hour

// planner holds the inputs of a plan under way.
type planner struct {
	s     config.Settings
	job   Job
	facts Facts
	conn  connection
	// rsa says that the client's key is RSA.
	rsa bool
	// warnings are lines for the job log.
	warnings []string
}

// daemonService returns the service that becomes the sidecar: the pipeline's, or one made
// from the settings.
func daemonService(s config.Settings, declared *Service) Service {
	if declared != nil {
		return *declared
	}
	return Service{Image: Image{Name: s.Sidecar.Image}}
}

func (pl *planner) sidecar(declared *Service, inner inner) (Sidecar, error) {
	s, job, conn := pl.s, pl.job, pl.conn
	svc := daemonService(s, declared)
	image, err := pl.image(svc.Image, "services", declared == nil)
	if err != nil {
		return Sidecar{}, err
	}
	// The settings' own default image needs no second permission.
	if svc.Name != s.Sidecar.Image && !allowed(s.Sidecar.AllowedImages, svc.Name) {
		return Sidecar{}, refused(svc.Name, "the docker daemon of a job", "sidecar.allowed_images", s.Sidecar.Image)
	}
	if err := checkCommand(s.Sidecar, svc); err != nil {
		return Sidecar{}, err
	}
	names := daemonNames(svc)
	sc := Sidecar{
		Given: GivenBy(job.Services),
		Container: Container{
			Role: RoleSidecar, Image: image, Entrypoint: svc.Entrypoint, User: svc.User,
			Aliases: names, DataPath: "/var/lib/docker",
		},
		DaemonConfig:  pl.daemonConfig(inner),
		Mirror:        pl.facts.Mirror,
		RegistryCAs:   pl.facts.RegistryCAs,
		StorageDriver: value(job.Variables, "DOCKER_DRIVER"),
		Layers:        s.Cache.Layers != config.LayersOff && job.Shares(),
		FastBoot:      s.Sidecar.FastBoot,
		ReadyTimeout:  s.Sidecar.ReadyTimeout.Std(),
	}
	own := ownProxies(job.Variables, true)
	for _, k := range slices.Sorted(maps.Keys(own)) {
		sc.Environment = append(sc.Environment, k+"="+own[k])
	}
	for _, v := range svc.Variables {
		switch v.Key {
		case "DOCKER_TLS_CERTDIR", "DOCKER_HOST":
		case "DOCKER_DRIVER":
			sc.StorageDriver = v.Value
		default:
			sc.Environment = append(sc.Environment, v.Key+"="+v.Value)
		}
	}
	if storageDrivers[sc.StorageDriver].usual {
		sc.StorageDriver = "" // the usual driver makes no other sandbox
	}
	maps.Copy(own, ownProxies(svc.Variables, false))
	direct := pl.direct(names)
	if m := pl.facts.Mirror; m != nil {
		direct = append(direct, m.Host())
	}
	sc.Environment = append(sc.Environment, proxies(s.Proxy, own, direct)...)
	sc.Command, sc.Arguments = svc.Command, s.Sidecar.Arguments
	if conn.tls {
		sc.Port = TLSPort
		// As with the docker executor, services receive the job's variables.
		more, addresses := alternatives(value(slices.Concat(job.Variables, svc.Variables), "DOCKER_TLS_SAN"))
		sc.TLS = &TLS{
			Names:     slices.Concat([]string{"localhost"}, names, more),
			Addresses: addresses,
			RSA:       pl.rsa,
			Lifetime:  job.Timeout + s.Cleanup.Grace.Std() + certificateSlack,
		}
		sc.CertsPath = ClientCerts
		sc.Environment = append(sc.Environment, "DOCKER_TLS_CERTDIR="+CertDir)
	} else {
		sc.Port = PlaintextPort
		sc.Environment = append(sc.Environment, "DOCKER_TLS_CERTDIR=")
		if !slices.Contains(svc.Command, "--tls=false") {
			sc.Arguments = append([]string{"--tls=false"}, sc.Arguments...)
		}
	}
	if s.Sidecar.Privilege == config.PrivilegeRootless && !listensAtSocket(svc.Command) {
		sc.Arguments = append([]string{"--host=" + rootlessSocket}, sc.Arguments...)
	}
	pl.entitle(&sc)
	if seedable(s.Sidecar.Privilege) {
		sc.SeedImages = seedImages(s.Cache.SeedImages)
	}
	return sc, nil
}

// withArguments puts this program's dockerd arguments before the job's own, so that the
// job's win. A command that starts another program stays as it is.
func withArguments(command, args []string) []string {
	switch {
	case len(args) == 0:
		return command
	case len(command) == 0 || strings.HasPrefix(command[0], "-"):
		return append(append([]string{}, args...), command...)
	case path.Base(command[0]) == "dockerd" || path.Base(command[0]) == "dockerd-entrypoint.sh":
		return append(append([]string{command[0]}, args...), command[1:]...)
	default:
		return command
	}
}

// cachePath returns the mount path of the scope's cache; empty without a cache.
func (pl *planner) cachePath() string {
	if !pl.s.Cache.Volume {
		return ""
	}
	return pl.job.CacheDir
}

// cachePaths returns the further cached paths of the settings. A job without a cache
// directory has none: no later job would find these caches.
func (pl *planner) cachePaths() []string {
	if pl.job.CacheDir == "" {
		return nil
	}
	return orNone(pl.s.Cache.Paths)
}

// jobContainer plans the job's own container. names are hosts that it reaches without a
// proxy.
func (pl *planner) jobContainer(names []string) (JobContainer, error) {
	img := pl.job.Image
	unnamed := img.Name == ""
	if unnamed {
		img.Name = pl.s.Job.Image
	}
	image, err := pl.image(img, "image", unnamed)
	if err != nil {
		return JobContainer{}, err
	}
	if img.Name != pl.s.Job.Image && !allowedIfAny(pl.s.Job.AllowedImages, img.Name) {
		return JobContainer{}, refused(img.Name, "the image of a job", "job.allowed_images", pl.s.Job.Image)
	}
	env := append([]string{}, pl.conn.environment...)
	for _, v := range pl.job.Variables {
		env = append(env, v.Key+"="+v.Value)
	}
	own, direct := ownProxies(pl.job.Variables, false), pl.direct(names)
	proxied := proxies(pl.s.Proxy, own, direct)
	env = append(env, proxied...)
	user, err := pl.jobUser(img.User)
	if err != nil {
		return JobContainer{}, err
	}
	extras := pl.extras(pl.s.Job.Container)
	extras.GroupAdd, extras.OOMScore, extras.MAC = orNone(pl.s.Job.GroupAdd), pl.s.Job.OOMScoreAdjust, pl.s.Job.MACAddress
	c := JobContainer{
		Container: Container{
			Role: RoleJob, Image: image, Entrypoint: pl.entrypoint(pl.s.Job.Container, Service{Image: img}), User: user,
			Command:     []string{"sh", "-c", "echo '" + ShellMarker + "'; " + DetectShell},
			Environment: env, Stdin: true, Init: pl.job.Init, Rights: pl.jobRights(), Extras: extras, OwnHostname: pl.s.Job.Hostname,
		},
		RegistryCAs: pl.facts.RegistryCAs,
		Early:       allowed(pl.s.Job.StartEarly, img.Name),
	}
	c.certify(pl.conn.certDirs)
	_, upper := own[strings.ToUpper(noProxy)]
	_, lower := own[noProxy]
	if len(proxied) > 0 && (upper || lower) {
		c.Direct = strings.Join(direct, ",")
	}
	return c, nil
}

// certify gives a container the client's certificates in the directories.
func (c *Container) certify(dirs []string) {
	for _, dir := range dirs {
		if dir == ClientCerts {
			c.CertsPath = dir
		} else { // a mount could hide files of the image
			c.CertDirs = append(c.CertDirs, dir)
		}
	}
}

// value returns the value of the last variable with the name, or "".
func value(variables []Variable, key string) string {
	v := ""
	for _, x := range variables {
		if x.Key == key {
			v = x.Value
		}
	}
	return v
}

func firstNonEmpty[T any](lists ...[]T) []T {
	for _, l := range lists {
		if len(l) > 0 {
			return l
		}
	}
	return nil
}

// mtu returns the MTU of sandboxes and inner daemons.
func mtu(n config.Network, facts Facts) int {
	switch {
	case n.MTU > 0:
		return n.MTU
	case facts.MTU > 0:
		return facts.MTU
	default:
		return 1500
	}
}

// Address returns the inner daemon's address on a host.
func (s Sidecar) Address(host string) string { return host + ":" + strconv.Itoa(s.Port) }
