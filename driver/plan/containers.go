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

// ShellMarker is the line by which the job container says that its ENTRYPOINT
// has reached the shell, which now waits for the script.
const ShellMarker = "gitlab-dind-executor: shell is ready"

// ScriptMarker is the line by which the shell says that its script has begun to
// reach it: an ENTRYPOINT can start a shell and keep its own stdin.
const ScriptMarker = "gitlab-dind-executor: script has arrived"

// Announced is a script of the job that says ScriptMarker before anything else, and
// then lets `docker buildx create` work over TLS. Its errors go where its other output
// goes: by two ways the engine mixes their order, and a command's error may come
// behind what the next command says.
func Announced(script []byte) []byte {
	return append([]byte("exec 2>&1\necho '"+ScriptMarker+"'\n"+placeBuildx), script...)
}

// DetectShell becomes bash where there is one, else sh, with the script on
// stdin.
const DetectShell = `for s in /usr/local/bin/bash /usr/bin/bash /bin/bash; do [ -x "$s" ] && exec "$s"; done; exec sh`

// certificateSlack keeps certificates valid for the after_script of a job that
// used up its time, and for a clock that is off.
const certificateSlack = time.Hour

// planner makes one plan.
type planner struct {
	s     config.Settings
	job   Job
	facts Facts
	conn  connection
	// rsa says that the client's key is of RSA.
	rsa bool
	// warnings are lines for the job log.
	warnings []string
}

// daemonService is the service that becomes the sidecar: the pipeline's, or what
// the settings name.
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
	// The admin's own default needs no second permission.
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
		sc.StorageDriver = "" // naming it makes no other sandbox
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
		// As with the docker executor, the job's variables reach its services.
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

// withArguments puts our dockerd arguments before the job's own, so that the
// job's win. A command that starts something else is left alone.
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

// cachePath is where the cache of the job's scope is mounted, if there is one.
func (pl *planner) cachePath() string {
	if !pl.s.Cache.Volume {
		return ""
	}
	return pl.job.CacheDir
}

// cachePaths are what else a project keeps. A job has none where it has no directory for a
// cache, since nobody would ever find that again.
func (pl *planner) cachePaths() []string {
	if pl.job.CacheDir == "" {
		return nil
	}
	return orNone(pl.s.Cache.Paths)
}

// jobContainer plans the job's own container, which reaches those names without
// a proxy.
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

// certify gives a container the client's certificates in those directories.
func (c *Container) certify(dirs []string) {
	for _, dir := range dirs {
		if dir == ClientCerts {
			c.CertsPath = dir
		} else { // a mount might be in the way of what the image has there
			c.CertDirs = append(c.CertDirs, dir)
		}
	}
}

// value returns the value of the last of the variables with that name, or "".
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

// mtu is what sandboxes and inner daemons use.
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

// Address is where the inner daemon listens, for a given host.
func (s Sidecar) Address(host string) string { return host + ":" + strconv.Itoa(s.Port) }
