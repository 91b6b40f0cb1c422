package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
)

// Extras are further things that the admin gives to the job container or to a service.
// Sidecar and helper have none.
type Extras struct {
	Binds []Bind `json:",omitempty"`
	// Tmpfs maps paths in memory to mount options.
	Tmpfs map[string]string `json:",omitempty"`
	// ShmSize is in bytes; 0 means the engine's default.
	ShmSize  int64             `json:",omitempty"`
	Ulimits  []Ulimit          `json:",omitempty"`
	Sysctls  map[string]string `json:",omitempty"`
	GroupAdd []string          `json:",omitempty"`
	OOMScore int               `json:",omitempty"`
	// MAC is the address of the network interface; for an empty MAC the engine chooses.
	MAC string `json:",omitempty"`
	// Labels are added to our labels, and never replace them.
	Labels     map[string]string `json:",omitempty"`
	LogOptions map[string]string `json:",omitempty"`
}

// Bind is a directory or a file of the engine's host, mounted into a container.
type Bind struct {
	Source, Target string
	ReadOnly       bool `json:",omitempty"`
}

// Ulimit is a limit for processes; -1 means no limit.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// Device is a device of the engine's host. Permissions are letters among r, w and m.
type Device struct {
	Host, Path, Permissions string
}

// GPUs is a request for GPUs, by number or by ids. Count -1 means all.
type GPUs struct {
	Count int      `json:",omitempty"`
	IDs   []string `json:",omitempty"`
}

// Ordinary tells whether the settings give a container nothing beyond the usual.
func (c Container) Ordinary() bool {
	return reflect.ValueOf(c.Extras).IsZero() && reflect.ValueOf(c.Rights).IsZero()
}

// SettingsOf returns the name of the settings' table about a role.
func SettingsOf(r Role) string {
	if r == RoleService {
		return "services"
	}
	return string(r)
}

// extras returns the settings' extras for a kind of container.
func (pl *planner) extras(c config.Container) Extras {
	x := Extras{ShmSize: c.ShmSize.Bytes(), Tmpfs: orNil(c.Tmpfs), Sysctls: orNil(c.Sysctls), LogOptions: orNil(c.LogOptions)}
	for _, v := range c.Volumes {
		if b, err := config.ParseBind(v); err == nil { // the settings' validation has already reported errors
			x.Binds = append(x.Binds, Bind(b))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Ulimit)) {
		soft, hard, both := strings.Cut(c.Ulimit[name], ":")
		if !both {
			hard = soft
		}
		x.Ulimits = append(x.Ulimits, Ulimit{name, number(soft), number(hard)})
	}
	if len(c.ContainerLabels) > 0 {
		x.Labels = map[string]string{}
		for name, text := range c.ContainerLabels {
			x.Labels[name] = pl.expanded(text)
		}
	}
	return x
}

// orNil returns a map, or nil if the map is empty.
func orNil(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// orNone returns a list, or nil if the list is empty.
func orNone[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// number parses a text that the settings' validation has accepted.
func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// variableName matches a variable in a text.
var variableName = pattern.New(`\$(\w+|\{\w+\})`)

// mostOfLabel limits a label's value, in bytes, because a pipeline may contribute to it.
const mostOfLabel = 1024

// expanded returns a label's value with the job's variables filled in. Control characters
// are left out: they could end a line or change a terminal.
func (pl *planner) expanded(text string) string {
	text = variableName.Regexp().ReplaceAllStringFunc(text, func(name string) string {
		v := value(pl.job.Variables, strings.Trim(name, "${}"))
		return strings.ToValidUTF8(v[:min(len(v), mostOfLabel)], "")
	})
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), mostOfLabel)], "")
}

// capabilities returns the engine's names of capabilities.
func capabilities(list []string) []string {
	var names []string
	for _, c := range list {
		names = append(names, config.Capability(c))
	}
	return names
}

func devices(list []string) []Device {
	var all []Device
	for _, d := range list {
		if host, path, permissions, ok := config.ParseDevice(d); ok {
			all = append(all, Device{host, path, permissions})
		}
	}
	return all
}

// gpus parses a request in the form of docker run --gpus.
func gpus(text string) *GPUs {
	text = strings.TrimPrefix(strings.Trim(text, `"`), "count=")
	if text == "" {
		return nil
	}
	if ids, ok := strings.CutPrefix(text, "device="); ok {
		return &GPUs{IDs: strings.Split(ids, ",")}
	}
	if text == "all" {
		return &GPUs{Count: -1}
	}
	return &GPUs{Count: int(number(text))}
}

// jobRights returns the settings' rights for the job container.
func (pl *planner) jobRights() Rights {
	j := pl.s.Job
	return Rights{
		CapAdd: capabilities(j.CapAdd), CapDrop: capabilities(j.CapDrop), NoNewPrivileges: j.NoNewPrivileges,
		SecurityOpt: orNone(j.SecurityOpt), Devices: devices(j.Devices), DeviceRules: orNone(j.DeviceCgroupRules),
		GPUs: gpus(j.GPUs), Runtime: j.Runtime,
	}
}

// serviceRights returns the settings' rights for a service with an image.
func (pl *planner) serviceRights(image string) Rights {
	s := pl.s.Services
	r := Rights{
		CapDrop: capabilities(s.CapDrop), NoNewPrivileges: s.NoNewPrivileges,
		SecurityOpt: orNone(s.SecurityOpt), GPUs: gpus(s.GPUs),
	}
	for _, pattern := range slices.Sorted(maps.Keys(s.Devices)) {
		if allowed([]string{pattern}, image) {
			r.Devices = append(r.Devices, devices(s.Devices[pattern])...)
		}
	}
	return r
}

// jobUser returns the user of the job's script: the settings' user, else the pipeline's.
// The error is a job fault if the pipeline's user is not allowed.
func (pl *planner) jobUser(pipelines string) (string, error) {
	j := pl.s.Job
	list := j.AllowedUsers
	if len(list) == 0 && j.User != "" {
		list = []string{j.User}
	}
	if pipelines != "" && len(list) > 0 && !slices.Contains(list, pipelines) {
		return "", fault.Job(fmt.Errorf("user %q is not allowed in the container of a job", pipelines),
			"use one of "+strings.Join(list, ", ")+", or ask the runner's admin to change job.allowed_users")
	}
	if j.User != "" {
		return j.User, nil
	}
	return pipelines, nil
}

// entrypoint returns the pipeline's entrypoint, or nil where the settings keep the image's.
func (pl *planner) entrypoint(c config.Container, s Service) []string {
	if s.Entrypoint == nil || s.Own || !c.DisableEntrypointOverwrite {
		return s.Entrypoint
	}
	pl.warnings = append(pl.warnings, fmt.Sprintf("the entrypoint of %s stays the image's own: this runner's settings do not let a pipeline replace it", s.Name))
	return nil
}
