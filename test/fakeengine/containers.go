package fakeengine

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// with calls do with the container in a request's path, under e.mu.
func (e *Engine) with(w http.ResponseWriter, r *http.Request, do func(*Container)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.container(r.PathValue("id"))
	if c == nil {
		refuse(w, http.StatusNotFound, "No such container: "+r.PathValue("id"))
		return
	}
	do(c)
}

func (e *Engine) listContainers(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := []any{}
	for _, c := range e.containers {
		if matches(r, c.Labels) && identified(r, c.ID) && named(r, c.Name) {
			list = append(list, map[string]any{
				"Id": c.ID, "Names": []string{"/" + c.Name}, "Image": c.Image, "ImageID": c.ImageID, "Labels": c.Labels,
				"State": state(c), "Mounts": mounts(c),
			})
		}
	}
	reply(w, http.StatusOK, list)
}

func mounts(c *Container) []any {
	list := []any{}
	for _, name := range c.volumes {
		list = append(list, map[string]any{"Type": "volume", "Name": name})
	}
	return list
}

func state(c *Container) string {
	switch {
	case c.running && c.Paused:
		return "paused"
	case c.running:
		return "running"
	case !c.started:
		return "created"
	}
	return "exited"
}

// createContainer also makes the container's volumes, as the engine does.
func (e *Engine) createContainer(w http.ResponseWriter, r *http.Request) {
	var config map[string]any
	if err := json.NewDecoder(r.Body).Decode(&config); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	host, _ := config["HostConfig"].(map[string]any)
	mounts, _ := host["Mounts"].([]any)
	network, _ := host["NetworkMode"].(string)
	image, _ := config["Image"].(string)
	name := r.URL.Query().Get("name")
	e.mu.Lock()
	defer e.mu.Unlock()
	_, there := e.images[imageKey(image)]
	for _, i := range e.images {
		there = there || i.id() == image
	}
	switch {
	case !there:
		refuse(w, http.StatusNotFound, "No such image: "+image)
		return
	case e.container(name) != nil:
		refuse(w, http.StatusConflict, `Conflict. The container name "/`+name+`" is already in use`)
		return
	case network != "" && network != "bridge" && network != "none" && !strings.HasPrefix(network, "container:") && !slices.ContainsFunc(e.networks, func(n *Network) bool { return n.Name == network }):
		refuse(w, http.StatusNotFound, "network "+network+" not found")
		return
	}
	c := newContainer(e.id(), name, stringMap(config["Labels"]))
	for _, m := range mounts {
		m, _ := m.(map[string]any)
		if m["Type"] == "bind" {
			continue // a bind mount makes no volume
		}
		source, _ := m["Source"].(string)
		options, _ := m["VolumeOptions"].(map[string]any)
		e.addVolume(source, stringMap(options["Labels"]))
		c.volumes = append(c.volumes, source)
	}
	c.Image, c.Config, c.Host = image, config, host
	if called := c.Labels["gitlab-dind-executor.image"]; called != "" && strings.HasPrefix(image, "sha256:") {
		c.Image, c.ImageID = called, image
	}
	e.containers = append(e.containers, c)
	reply(w, http.StatusCreated, map[string]any{"Id": c.ID, "Warnings": []string{}})
}

func stringMap(v any) map[string]string {
	m := map[string]string{}
	if table, ok := v.(map[string]any); ok {
		for k, v := range table {
			m[k], _ = v.(string)
		}
	}
	return m
}

func (e *Engine) inspectContainer(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		networks := map[string]any{}
		if name, _ := c.Host["NetworkMode"].(string); name != "" && !c.Disconnected {
			networks[name] = map[string]any{"IPAddress": c.IP}
		}
		started := ""
		if !c.Started.IsZero() {
			started = c.Started.Format(time.RFC3339Nano)
		}
		var mounts []map[string]any
		for _, at := range c.places {
			mounts = append(mounts, map[string]any{"Destination": at})
		}
		reply(w, http.StatusOK, map[string]any{
			"Id": c.ID, "Name": "/" + c.Name, "Image": c.Image, "Mounts": mounts,
			"State":           map[string]any{"Running": c.running, "Paused": c.running && c.Paused, "Status": state(c), "ExitCode": c.code, "StartedAt": started},
			"Config":          map[string]any{"Image": c.Image, "Labels": c.Labels, "ExposedPorts": c.Config["ExposedPorts"]},
			"HostConfig":      c.Host,
			"NetworkSettings": map[string]any{"Networks": networks, "Ports": c.Host["PortBindings"]},
		})
	})
}

// stats are those of a container that keeps half a processor busy. Its memory is 2 MiB, and
// files take as much besides. It has received 1000 bytes.
func (e *Engine) stats(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(*Container) {
		now := time.Now()
		reply(w, http.StatusOK, map[string]any{
			"read":         now,
			"cpu_stats":    map[string]any{"cpu_usage": map[string]any{"total_usage": now.UnixNano() / 2}},
			"networks":     map[string]any{"eth0": map[string]any{"rx_bytes": 1000}},
			"memory_stats": map[string]any{"usage": 4 << 20, "stats": map[string]any{"inactive_file": 2 << 20}},
		})
	})
}

func (e *Engine) renameContainer(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		c.Name = r.URL.Query().Get("name")
		w.WriteHeader(http.StatusNoContent)
	})
}

func (e *Engine) startContainer(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		if c.running {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		c.start()
		if e.OnStart != nil {
			e.OnStart(c)
		}
		switch {
		case c.isProgram():
			code := 0
			if e.OnProgram != nil {
				code = e.OnProgram(c)
			}
			if code == 0 {
				e.empty(c)
			}
			c.Exit(code)
		case c.Labels["gitlab-dind-executor.role"] == "scratch": // a scratch container tries something, and ends
			c.Exit(0)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (e *Engine) top(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(*Container) {
		list := [][]string{}
		for i, p := range e.Processes {
			list = append(list, []string{strconv.Itoa(i + 1), p})
		}
		reply(w, http.StatusOK, map[string]any{"Titles": []string{"PID", "COMMAND"}, "Processes": list})
	})
}

// pause pauses a running container, or lets a paused container go on.
func (e *Engine) pause(paused bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.with(w, r, func(c *Container) {
			if !c.running || c.Paused == paused {
				refuse(w, http.StatusConflict, "Container "+c.ID+" is "+state(c))
				return
			}
			c.Paused = paused
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

func (e *Engine) killContainer(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		if !c.running {
			refuse(w, http.StatusConflict, "Container "+c.ID+" is not running")
			return
		}
		c.Exit(137)
		w.WriteHeader(http.StatusNoContent)
	})
}

// stopContainer changes running containers only.
func (e *Engine) stopContainer(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		if !c.running {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		c.Exit(143)
		w.WriteHeader(http.StatusNoContent)
	})
}

// waitContainer answers its header at once, as the engine does.
func (e *Engine) waitContainer(w http.ResponseWriter, r *http.Request) {
	var c *Container
	var end chan struct{}
	e.with(w, r, func(found *Container) {
		c, end = found, found.ended
		switch condition := r.URL.Query().Get("condition"); {
		case condition == "removed":
			end = found.removed
		case condition == "next-exit" && found.isProgram():
			end = found.next // the others run nothing, so they end at once
		}
	})
	if c == nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-end:
		e.mu.Lock()
		code := c.code
		e.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"StatusCode": code})
	case <-r.Context().Done():
	case <-e.closed:
	}
}

func (e *Engine) removeContainer(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		if c.running && !strings.Contains(r.URL.RawQuery, "force=1") {
			refuse(w, http.StatusConflict, "You cannot remove a running container")
			return
		}
		c.remove()
		e.containers = slices.DeleteFunc(e.containers, func(other *Container) bool { return other == c })
		w.WriteHeader(http.StatusNoContent)
	})
}
