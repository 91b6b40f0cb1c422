//go:build record

package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// record is the socket of an engine whose refusals become test data:
//
//	go test -tags record ./driver/engine -run TestRecordRefusals -record /run/docker.sock
//
// The engine needs the image busybox:latest and no other users, since the test makes and removes
// networks and containers there.
var record = flag.String("record", "", "the socket of an engine whose refusals are recorded")

func TestRecordRefusals(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", *record)
	}}}
	call := func(method, path string, body any) (int, map[string]any) {
		content, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://engine"+path, bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		got := map[string]any{}
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(text, &got) // an empty answer is fine
		return answer.StatusCode, got
	}
	var answers []recorded
	note := func(refusal, what string, status int, answer map[string]any) {
		message, _ := answer["message"].(string)
		if status < 400 || message == "" {
			t.Errorf("%s: status %d, %v", refusal, status, answer)
			return
		}
		answers = append(answers, recorded{Refusal: refusal, Call: what, Status: status, Message: message})
	}
	ours := map[string]string{"gitlab-dind-executor.test": "refusals"}
	network := func(name, subnet string) (int, map[string]any) {
		return call("POST", "/networks/create", map[string]any{"Name": name, "Labels": ours, "IPAM": map[string]any{"Config": []map[string]any{{"Subnet": subnet}}}})
	}
	network("refusals-1", "10.251.0.0/30")
	defer call("DELETE", "/networks/refusals-1", nil)
	status, answer := network("refusals-2", "10.251.0.0/29")
	note("SubnetTaken", "POST /networks/create", status, answer)

	for _, c := range []struct {
		refusal string
		spec    map[string]any
		host    map[string]any
	}{
		{"FewerCPUs", nil, map[string]any{"NanoCpus": int64(1e13)}},
		{"NoRuntime", nil, map[string]any{"Runtime": "nope"}},
		{"BadCapability", nil, map[string]any{"CapAdd": []string{"NOPE"}}},
		{"NoDevice", nil, map[string]any{"Devices": []map[string]string{{"PathOnHost": "/dev/nope", "PathInContainer": "/dev/nope", "CgroupPermissions": "rwm"}}}},
		{"NoProgram", map[string]any{"Entrypoint": []string{"nope"}}, nil},
		{"NoProgram", map[string]any{"Entrypoint": []string{"/nope"}}, nil},
		{"NoUser", map[string]any{"User": "nope"}, nil},
		{"NoSource", nil, map[string]any{"Mounts": []map[string]any{{"Type": "bind", "Source": "/nope", "Target": "/x"}}}},
		{"NoAddress", nil, map[string]any{"NetworkMode": "refusals-1"}},
	} {
		spec := map[string]any{"Image": "busybox:latest", "Cmd": []string{"sleep", "60"}, "Labels": ours, "HostConfig": c.host}
		for k, v := range c.spec {
			spec[k] = v
		}
		for range 2 { // for NoAddress the first container takes the only address
			status, made := call("POST", "/containers/create", spec)
			id, _ := made["Id"].(string)
			if id == "" {
				note(c.refusal, "POST /containers/create", status, made)
				break
			}
			defer call("DELETE", "/containers/"+id+"?force=1", nil)
			if status, answer := call("POST", "/containers/"+id+"/start", nil); status >= 400 {
				note(c.refusal, "POST /containers/{id}/start", status, answer)
				break
			}
		}
	}
	// A port of another container's, and one of another program's.
	var started []string
	defer func() {
		for _, id := range started {
			call("DELETE", "/containers/"+id+"?force=1", nil)
		}
	}()
	start := func(command []string, host map[string]any) (int, map[string]any) {
		status, made := call("POST", "/containers/create", map[string]any{
			"Image": "busybox:latest", "Cmd": command, "Labels": ours, "HostConfig": host, "ExposedPorts": map[string]any{"5000/tcp": struct{}{}},
		})
		id, _ := made["Id"].(string)
		if id == "" {
			return status, made
		}
		started = append(started, id)
		return call("POST", "/containers/"+id+"/start", nil)
	}
	published := func(port string) (int, map[string]any) {
		return start([]string{"sleep", "60"}, map[string]any{"PortBindings": map[string]any{"5000/tcp": []map[string]string{{"HostIp": "127.0.0.1", "HostPort": port}}}})
	}
	published("15017")
	status, answer = published("15017")
	note("PortTaken", "POST /containers/{id}/start", status, answer)
	if status, answer = start([]string{"nc", "-l", "-p", "15018"}, map[string]any{"NetworkMode": "host"}); status >= 400 {
		t.Fatalf("no program listens: %d, %v", status, answer)
	}
	time.Sleep(time.Second) // until it does
	status, answer = published("15018")
	note("PortTaken", "POST /containers/{id}/start", status, answer)

	_, version := call("GET", "/version", nil)
	major := strings.SplitN(fmt.Sprint(version["Version"]), "+", 2)[0]
	content, err := json.MarshalIndent(answers, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "refusals", major+".json"), append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
