package fakeengine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// api maps the known calls, as patterns of http.ServeMux, to their answers.
func (e *Engine) api() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /_ping":                    e.ping,
		"GET /version":                  e.version,
		"GET /info":                     e.info,
		"GET /events":                   e.events,
		"POST /containers/{id}/pause":   e.pause(true),
		"POST /containers/{id}/unpause": e.pause(false),
		"GET /networks":                 e.listNetworks,
		"POST /networks/create":         e.createNetwork,
		"GET /networks/{id}":            e.inspectNetwork,
		"DELETE /networks/{id}":         e.removeNetwork,
		"GET /volumes":                  e.listVolumes,
		"GET /volumes/{name}":           e.inspectVolume,
		"POST /volumes/create":          e.createVolume,
		"DELETE /volumes/{name}":        e.removeVolume,
		"GET /system/df":                e.diskUsage,
		"GET /images/{name...}":         e.inspectImage,
		"POST /images/create":           e.pull,
		"GET /distribution/{name...}":   e.askRegistry,
		"GET /containers/json":          e.listContainers,
		"POST /containers/create":       e.createContainer,
		"GET /containers/{id}/json":     e.inspectContainer,
		"POST /containers/{id}/start":   e.startContainer,
		"POST /containers/{id}/kill":    e.killContainer,
		"POST /containers/{id}/stop":    e.stopContainer,
		"POST /containers/{id}/wait":    e.waitContainer,
		"POST /containers/{id}/rename":  e.renameContainer,
		"POST /containers/{id}/attach":  e.attach,
		"GET /containers/{id}/logs":     e.logs,
		"GET /containers/{id}/top":      e.top,
		"GET /containers/{id}/stats":    e.stats,
		"GET /containers/{id}/archive":  e.readArchive,
		"PUT /containers/{id}/archive":  e.writeArchive,
		"DELETE /containers/{id}":       e.removeContainer,
		"POST /containers/{id}/exec":    e.createExec,
		"POST /exec/{id}/start":         e.startExec,
		"GET /exec/{id}/json":           e.inspectExec,
	}
}

func (e *Engine) ping(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("API-Version", "1.47")
	w.Header().Set("OSType", "linux")
}

func (e *Engine) version(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{"Version": "27.0.0", "ApiVersion": "1.47", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"})
}

// info describes a host of today.
func (e *Engine) info(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"DockerRootDir": e.DataRoot, "SystemTime": time.Now().Format(time.RFC3339Nano), "CgroupVersion": "2", "Driver": "overlay2", "DriverStatus": [][2]string{{"Backing Filesystem", "btrfs"}, {"Supports d_type", "true"}},
	})
}

func (e *Engine) listNetworks(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := []any{}
	for _, n := range e.networks {
		if matches(r, n.Labels) {
			list = append(list, map[string]any{
				"Id": n.ID, "Name": n.Name, "Labels": n.Labels,
				"IPAM": map[string]any{"Config": []any{map[string]any{"Subnet": n.Subnet}}},
			})
		}
	}
	reply(w, http.StatusOK, list)
}

func (e *Engine) createNetwork(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name   string
		Labels map[string]string
		IPAM   struct{ Config []struct{ Subnet string } }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	n := &Network{ID: e.id(), Name: body.Name, Labels: body.Labels}
	if len(body.IPAM.Config) > 0 {
		n.Subnet = body.IPAM.Config[0].Subnet
	}
	if slices.ContainsFunc(e.networks, func(other *Network) bool { return other.Subnet == n.Subnet && n.Subnet != "" }) {
		refuse(w, http.StatusForbidden, "Pool overlaps with other one on this address space")
		return
	}
	e.networks = append(e.networks, n)
	reply(w, http.StatusCreated, map[string]string{"Id": n.ID})
}

// inspectNetwork knows the default bridge alone, which no list holds.
func (e *Engine) inspectNetwork(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != "bridge" {
		refuse(w, http.StatusNotFound, "network "+r.PathValue("id")+" not found")
		return
	}
	e.mu.Lock()
	id := fmt.Sprintf("%064x", e.starts)
	e.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{
		"Id": id, "Name": "bridge", "Options": map[string]string{"com.docker.network.bridge.name": "docker0"}, "IPAM": map[string]any{"Config": []any{map[string]any{"Subnet": "172.17.0.0/16"}}},
	})
}

func (e *Engine) removeNetwork(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := len(e.networks)
	e.networks = slices.DeleteFunc(e.networks, func(n *Network) bool { return n.ID == r.PathValue("id") || n.Name == r.PathValue("id") })
	if len(e.networks) == before {
		refuse(w, http.StatusNotFound, "network "+r.PathValue("id")+" not found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) listVolumes(w http.ResponseWriter, r *http.Request) {
	dangling := strings.Contains(r.URL.Query().Get("filters"), `"dangling":{"true":true}`)
	e.mu.Lock()
	defer e.mu.Unlock()
	list := []any{}
	for _, v := range e.volumes {
		if matches(r, v.Labels) && named(r, v.Name) && !(dangling && e.inUse(v.Name)) {
			list = append(list, map[string]any{"Name": v.Name, "Labels": v.Labels, "Driver": "local"})
		}
	}
	reply(w, http.StatusOK, map[string]any{"Volumes": list})
}

// inspectVolume gives no mountpoint, because the volume has none.
func (e *Engine) inspectVolume(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.volumes, func(v *Volume) bool { return v.Name == name })
	if i < 0 {
		refuse(w, http.StatusNotFound, "get "+name+": no such volume")
		return
	}
	reply(w, http.StatusOK, map[string]any{"Name": name, "Labels": e.volumes[i].Labels, "Driver": "local"})
}

// inUse tells whether a container mounts a volume; e.mu is held.
func (e *Engine) inUse(volume string) bool {
	return slices.ContainsFunc(e.containers, func(c *Container) bool { return slices.Contains(c.volumes, volume) })
}

func (e *Engine) createVolume(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name   string
		Labels map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.addVolume(body.Name, body.Labels)
	reply(w, http.StatusCreated, map[string]any{"Name": v.Name, "Labels": v.Labels, "Driver": "local"})
}

// diskUsage tells the sizes of volumes alone.
func (e *Engine) diskUsage(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := []any{}
	for _, v := range e.volumes {
		list = append(list, map[string]any{"Name": v.Name, "Labels": v.Labels, "UsageData": map[string]any{"Size": v.Size, "RefCount": 0}})
	}
	reply(w, http.StatusOK, map[string]any{"Volumes": list})
}

// removeVolume forgets the labels of a volume whose forced removal fails, as an engine does.
func (e *Engine) removeVolume(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	force := r.URL.Query().Get("force") == "1"
	if force {
		e.forced++
	}
	if name := r.PathValue("name"); e.inUse(name) {
		refuse(w, http.StatusConflict, "remove "+name+": volume is in use")
		return
	}
	for _, v := range e.volumes {
		if v.Name != r.PathValue("name") || !v.immutable {
			continue
		}
		if force {
			v.Labels = nil
		}
		refuse(w, http.StatusInternalServerError, "remove "+v.Name+": error removing volume path '/var/lib/docker/volumes/"+v.Name+"/_data': unlinkat f: operation not permitted")
		return
	}
	before := len(e.volumes)
	e.volumes = slices.DeleteFunc(e.volumes, func(v *Volume) bool { return v.Name == r.PathValue("name") })
	if len(e.volumes) == before {
		refuse(w, http.StatusNotFound, "get "+r.PathValue("name")+": no such volume")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
