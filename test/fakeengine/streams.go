package fakeengine

import (
	"archive/tar"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
)

func (e *Engine) inspectImage(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(r.PathValue("name"), "/json")
	e.mu.Lock()
	defer e.mu.Unlock()
	i, ok := e.images[imageKey(name)]
	if !ok {
		refuse(w, http.StatusNotFound, "No such image: "+name)
		return
	}
	volumes := map[string]any{}
	for _, v := range i.Volumes {
		volumes[v] = map[string]any{}
	}
	os, arch, _ := strings.Cut(cmp.Or(i.Platform, "linux/amd64"), "/")
	reply(w, http.StatusOK, map[string]any{
		"Id": i.id(), "RepoTags": []string{name}, "Os": os, "Architecture": arch,
		"RepoDigests": []string{repository(name) + "@" + cmp.Or(i.Digest, i.id())},
		"Config":      map[string]any{"Entrypoint": i.Entrypoint, "Cmd": i.Cmd, "Env": i.Env, "Volumes": volumes},
	})
}

// imageID is the id in answers to pulls and imports.
var imageID = "sha256:" + strings.Repeat("0", 64)

// pull fetches an image of any name.
func (e *Engine) pull(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("fromSrc") == "-" {
		_, _ = io.Copy(io.Discard, r.Body)
		e.AddImage(r.URL.Query().Get("repo"), Image{})
		_ = json.NewEncoder(w).Encode(map[string]string{"status": imageID})
		return
	}
	name := r.URL.Query().Get("fromImage")
	if tag := r.URL.Query().Get("tag"); tag != "" {
		name += ":" + tag
	}
	e.mu.Lock()
	fetched := e.registry[imageKey(name)]
	e.mu.Unlock()
	fetched.Platform = cmp.Or(fetched.Platform, r.URL.Query().Get("platform"))
	e.AddImage(name, fetched)
	enc := json.NewEncoder(w)
	_ = enc.Encode(map[string]string{"status": "Pulling from " + name})
	_ = enc.Encode(map[string]string{"status": "Digest: " + imageID})
}

// askRegistry finds an image of any name.
func (e *Engine) askRegistry(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.registry[imageKey(strings.TrimSuffix(r.PathValue("name"), "/json"))]
	reply(w, http.StatusOK, map[string]any{"Descriptor": map[string]any{"digest": cmp.Or(i.Digest, i.id())}})
}

// logs answers with the container's output, in the engine's frames.
func (e *Engine) logs(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		w.Header().Set("Content-Type", "application/vnd.docker.multiplexed-stream")
		_, _ = w.Write(Frame(c.Log))
	})
}

// Frame is text on its way from a container, as the engine sends it.
func Frame(text string) []byte {
	header := []byte{1, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(header[4:], uint32(len(text)))
	return append(header, text...)
}

// readArchive finds /etc/hostname alone.
func (e *Engine) readArchive(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		name := r.URL.Query().Get("path")
		if name != "/etc/hostname" {
			refuse(w, http.StatusNotFound, "Could not find the file "+name+" in container "+c.ID)
			return
		}
		stat, _ := json.Marshal(map[string]any{"name": path.Base(name), "size": 2, "mode": 0o644})
		w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
		t := tar.NewWriter(w)
		_ = t.WriteHeader(&tar.Header{Name: "hostname", Mode: 0o644, Size: 2})
		_, _ = t.Write([]byte("x\n"))
		_ = t.Close()
	})
}

func (e *Engine) writeArchive(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	e.with(w, r, func(*Container) {})
}

func (e *Engine) createExec(w http.ResponseWriter, r *http.Request) {
	e.with(w, r, func(c *Container) {
		if !c.running {
			refuse(w, http.StatusConflict, "container "+c.ID+" is not running")
			return
		}
		reply(w, http.StatusCreated, map[string]string{"Id": e.id()})
	})
}

// startExec prints ExecOutput, whatever the command is.
func (e *Engine) startExec(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if conn, in := hijack(w); conn != nil {
		if e.ExecOutput != "" {
			_, _ = conn.Write(Frame(e.ExecOutput))
		}
		end(conn, in)
	}
}

// attach takes a script, and lets the container answer and end. A sidecar takes its files. A
// helper takes scripts in turn, and goes on.
func (e *Engine) attach(w http.ResponseWriter, r *http.Request) {
	conn, in := hijack(w)
	if conn == nil {
		return
	}
	e.mu.Lock()
	c := e.container(r.PathValue("id"))
	sidecar := c != nil && strings.HasSuffix(c.Name, "-sidecar")
	helper := c != nil && strings.HasSuffix(c.Name, "-helper")
	running := c != nil && c.running
	e.mu.Unlock()
	if helper && running {
		e.takeScripts(conn, in)
		return
	}
	script, _ := io.ReadAll(in)
	if !sidecar && !helper && e.OnScript != nil { // a test may set OnScript while sidecars boot
		output, code := e.OnScript(string(script))
		_, _ = conn.Write(Frame(output))
		e.mu.Lock()
		if c := e.container(r.PathValue("id")); c != nil {
			c.Exit(code)
		}
		e.mu.Unlock()
	}
	end(conn, in)
}

// takeScripts takes a helper's scripts, and prints the output that the test has set.
func (e *Engine) takeScripts(conn net.Conn, in io.Reader) {
	defer end(conn, in)
	var length int64
	var token string
	for {
		if _, err := fmt.Fscanln(in, &length, &token); err != nil {
			return
		}
		_, _ = conn.Write(Frame(token + "\n"))
		_, _ = io.CopyN(io.Discard, in, length)
		_, _ = conn.Write(Frame(e.ExecOutput))
		_, _ = conn.Write(Frame(fmt.Sprintf("%s %d\n", token, e.ExecCode)))
	}
}

// hijack switches protocols.
func hijack(w http.ResponseWriter) (net.Conn, io.Reader) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil
	}
	_, _ = buf.WriteString("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	_ = buf.Flush()
	return conn, buf
}

// end ends a stream. It first takes all input, because a reset would overtake the output.
func end(conn net.Conn, in io.Reader) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
		_, _ = io.Copy(io.Discard, in)
	}
	_ = conn.Close()
}

// CutStream switches protocols, sends said and cuts the connection.
func CutStream(said []byte) Answer {
	return func(_ *Engine, w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body)
		if conn, in := hijack(w); conn != nil {
			_, _ = conn.Write(said)
			end(conn, in)
		}
	}
}

// events sends no event.
func (e *Engine) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-r.Context().Done():
	case <-e.closed:
	}
}

func (e *Engine) inspectExec(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, map[string]any{"ID": r.PathValue("id"), "Running": false, "ExitCode": e.ExecCode})
}
