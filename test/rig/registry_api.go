package rig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
)

// manifestTypes are the kinds of manifest under which an image may be stored. For a client that
// does not name them a registry converts to the oldest.
const manifestTypes = "application/vnd.oci.image.index.v1+json, " +
	"application/vnd.oci.image.manifest.v1+json, " +
	"application/vnd.docker.distribution.manifest.list.v2+json, " +
	"application/vnd.docker.distribution.manifest.v2+json"

// tlsFor returns the settings of a client that verifies the server.
func tlsFor(pool *x509.CertPool, name string) *tls.Config {
	return &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12}
}

// Push lets the engine of cli push an image to the registry, as "repo:tag". Afterwards the
// engine has no other names for the image than before. The registry must run on this engine.
func (r *Registry) Push(ctx context.Context, cli *client.Client, localImage, repoTag string) (err error) {
	ref := r.LocalHost + "/" + repoTag
	if err := cli.ImageTag(ctx, localImage, ref); err != nil {
		return fmt.Errorf("cannot push %s: %w", localImage, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
		defer cancel()
		err = errors.Join(err, removeImage(ctx, cli, ref))
	}()
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: r.User, Password: r.Password, ServerAddress: r.LocalHost})
	if err != nil {
		return fmt.Errorf("cannot push %s: %w", localImage, err)
	}
	progress, err := cli.ImagePush(ctx, ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		return fmt.Errorf("cannot push %s: %w", localImage, err)
	}
	defer progress.Close()
	if err := progressResult(progress); err != nil {
		return fmt.Errorf("cannot push %s: %w", localImage, err)
	}
	return nil
}

// Pull lets an engine fetch an image from a registry that needs no password. The caller removes
// the image's name with [RemoveName].
func Pull(ctx context.Context, cli *client.Client, ref string) error {
	return pull(ctx, cli, ref, image.PullOptions{})
}

// Pull is [Pull] from this registry, by LocalHost. The registry must run on this engine.
func (r *Registry) Pull(ctx context.Context, cli *client.Client, repoTag string) (ref string, err error) {
	ref = r.LocalHost + "/" + repoTag
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: r.User, Password: r.Password, ServerAddress: r.LocalHost})
	if err != nil {
		return "", fmt.Errorf("cannot pull %s: %w", ref, err)
	}
	return ref, pull(ctx, cli, ref, image.PullOptions{RegistryAuth: auth})
}

func pull(ctx context.Context, cli *client.Client, ref string, options image.PullOptions) error {
	progress, err := cli.ImagePull(ctx, ref, options)
	if err != nil {
		return fmt.Errorf("cannot pull %s: %w", ref, err)
	}
	defer progress.Close()
	if err := progressResult(progress); err != nil {
		return fmt.Errorf("cannot pull %s: %w", ref, err)
	}
	return nil
}

// RemoveName takes a name from an image of the engine, and removes the image with its last
// name. It takes at most 30 s. An unknown name is no error.
func RemoveName(cli *client.Client, ref string) error {
	ctx, cancel := context.WithTimeout(context.Background(), removalTime)
	defer cancel()
	if err := removeImage(ctx, cli, ref); err != nil {
		return fmt.Errorf("cannot remove the name %s: %w", ref, err)
	}
	return nil
}

// progressResult reads the engine's progress messages to the end. A failed push or pull has
// begun with status 200. One of the messages is the error then.
func progressResult(progress io.Reader) error {
	for messages := json.NewDecoder(progress); ; {
		var message struct {
			Error string `json:"error"`
		}
		err := messages.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the engine's answer breaks off: %w", err)
		case message.Error != "":
			return errors.New(message.Error)
		}
	}
}

// Tags returns the tags of a repository in the registry's order. A repository without pushes
// has none.
func (r *Registry) Tags(ctx context.Context, repo string) ([]string, error) {
	answer, err := r.request(ctx, http.MethodGet, "/v2/"+repo+"/tags/list")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the tags of %s: %w", repo, err)
	}
	defer answer.Body.Close()
	var list struct {
		Tags []string `json:"tags"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("cannot list the tags of %s: %w", repo, err)
	}
	return list.Tags, nil
}

// Digest returns the digest behind a tag, "sha256:…". Without such a tag the error is
// fs.ErrNotExist, wrapped.
func (r *Registry) Digest(ctx context.Context, repo, tag string) (string, error) {
	answer, err := r.request(ctx, http.MethodHead, "/v2/"+repo+"/manifests/"+tag)
	if err != nil {
		return "", fmt.Errorf("cannot look up %s:%s: %w", repo, tag, err)
	}
	defer answer.Body.Close()
	digest := answer.Header.Get("Docker-Content-Digest")
	if !strings.Contains(digest, ":") {
		return "", fmt.Errorf("cannot look up %s:%s: the registry gives no digest", repo, tag)
	}
	return digest, nil
}

// ping returns nil when the registry takes requests, with or without a password.
func (r *Registry) ping(ctx context.Context) error {
	answer, err := r.request(ctx, http.MethodGet, "/v2/")
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// request asks the registry at LocalHost, with user and password if there are any. Any status
// but 200 is an error; 404 is fs.ErrNotExist, wrapped. The caller closes the body.
func (r *Registry) request(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://"+r.LocalHost+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", manifestTypes)
	if r.User != "" {
		req.SetBasicAuth(r.User, r.Password)
	}
	answer, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return answer, nil
	case http.StatusNotFound:
		answer.Body.Close()
		return nil, fmt.Errorf("the registry has no %s: %w", path, fs.ErrNotExist)
	default:
		answer.Body.Close()
		return nil, fmt.Errorf("the registry answers %s", answer.Status)
	}
}
