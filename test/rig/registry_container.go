package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-connections/nat"
)

// Where things are in the registry's container.
const (
	registryPort     = nat.Port("5000/tcp")
	registryStorage  = "/var/lib/registry" // a VOLUME of the image
	registryCert     = "/etc/dind-rig/cert.pem"
	registryKey      = "/etc/dind-rig/key.pem"
	registryHtpasswd = "/etc/dind-rig/htpasswd"
	registryOrigin   = "/etc/dind-rig/origin.pem" // the CA of the mirrored registry
)

// run starts the registry's container and returns its published port. The port is the first of
// pick's that the engine can have on both addresses. Without an htpasswd file everybody may
// pull and push. origin is nil except for a mirror.
func (r *Registry) run(ctx context.Context, cert serverCertificate, htpasswd []byte, origin *Registry, pick func(context.Context) (string, error)) (port string, err error) {
	labels, err := Labels("registry")
	if err != nil {
		return "", err
	}
	name := UniqueName("registry")
	if _, err := r.cli.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: labels}); err != nil {
		return "", fmt.Errorf("cannot create its volume: %w", err)
	}
	r.volume = name

	env := []string{
		"REGISTRY_HTTP_ADDR=0.0.0.0:" + registryPort.Port(),
		"REGISTRY_HTTP_TLS_CERTIFICATE=" + registryCert,
		"REGISTRY_HTTP_TLS_KEY=" + registryKey,
		"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=" + registryStorage,
	}
	// The image's user need not be root, so everybody may read the files.
	files := []File{{Path: registryCert, Content: string(cert.cert)}, {Path: registryKey, Content: string(cert.key)}}
	if htpasswd != nil {
		env = append(env,
			"REGISTRY_AUTH=htpasswd",
			"REGISTRY_AUTH_HTPASSWD_REALM=rig",
			"REGISTRY_AUTH_HTPASSWD_PATH="+registryHtpasswd)
		files = append(files, File{Path: registryHtpasswd, Content: string(htpasswd)})
	}
	var hosts []string
	if origin != nil {
		env = append(env, "REGISTRY_PROXY_REMOTEURL=https://"+origin.Host, "SSL_CERT_FILE="+registryOrigin)
		files = append(files, File{Path: registryOrigin, Content: string(origin.CAPEM)})
		name, _, _ := strings.Cut(origin.Host, ":")
		hosts = []string{name + ":" + origin.Addr.String()}
	}
	config := &container.Config{Image: ImageRegistry, Env: env, Labels: labels}

	for range registryPorts {
		if port, err = pick(ctx); err != nil {
			return "", err
		}
		host := &container.HostConfig{
			ExtraHosts: hosts,
			PortBindings: nat.PortMap{registryPort: {
				{HostIP: "127.0.0.1", HostPort: port},
				{HostIP: r.Addr.String(), HostPort: port},
			}},
			Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: name, Target: registryStorage}},
		}
		if err = r.runOn(ctx, name, config, host, files); !portTaken(err) {
			return port, err
		}
		if rmErr := removeContainer(ctx, r.cli, r.container); rmErr != nil {
			return "", errors.Join(err, rmErr)
		}
	}
	return "", err
}

// runOn creates the container, puts the files into it, and starts it.
func (r *Registry) runOn(ctx context.Context, name string, config *container.Config, host *container.HostConfig, files []File) error {
	created, err := r.cli.ContainerCreate(ctx, config, host, nil, nil, name)
	if err != nil {
		return fmt.Errorf("cannot create its container: %w", err)
	}
	r.container = created.ID
	if err := putFiles(ctx, r.cli, created.ID, files); err != nil {
		return err
	}
	if err := r.cli.ContainerStart(ctx, created.ID, container.StartOptions{}); err != nil {
		return fmt.Errorf("cannot start its container: %w", err)
	}
	return nil
}

// portTaken tells whether a start failed because the port is taken. The engine says so in words
// only. The first wording is for another container.
func portTaken(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "port is already allocated") ||
		strings.Contains(err.Error(), "address already in use"))
}

// lastLines returns the last ten lines of the registry's log, or the reason for their lack. It
// takes at most 5 s, also when ctx has ended.
func (r *Registry) lastLines(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	log, err := r.cli.ContainerLogs(ctx, r.container, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: "10"})
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer log.Close()
	var lines bytes.Buffer
	if _, err := stdcopy.StdCopy(&lines, &lines, log); err != nil {
		fmt.Fprintf(&lines, "(the log breaks off: %v)", err)
	}
	return strings.TrimRight(lines.String(), "\n")
}
