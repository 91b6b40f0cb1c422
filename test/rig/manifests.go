package rig

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// ManifestServer is a registry of manifests without layers. An engine with the image asks for
// nothing else, so no image need be packed and pushed. The server suits engines where the
// digest of its configuration identifies an image, not engines with containerd's store.
// Everybody may ask, over TLS by an unknown CA.
type ManifestServer struct {
	Host string // "127.0.0.1:port", where the engine of this host takes any CA

	server    *server
	mu        sync.Mutex
	manifests map[string][]byte // by "repo:tag" and by "repo@digest"
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

// ServeManifests starts a server without images. The caller closes it.
func ServeManifests(ctx context.Context) (*ManifestServer, error) {
	const local = "127.0.0.1"
	cert, err := newServerCertificate(time.Now(), nil, []netip.Addr{netip.MustParseAddr(local)})
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert.cert, cert.key)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort(local, "0"))
	if err != nil {
		return nil, fmt.Errorf("cannot start a server of manifests: %w", err)
	}
	s := &ManifestServer{manifests: map[string][]byte{}}
	s.server = serveOn(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), s)
	s.Host = s.server.addr
	return s, nil
}

// Close ends the server.
func (s *ManifestServer) Close() error {
	if err := s.server.close(); err != nil {
		return fmt.Errorf("cannot end the server of manifests: %w", err)
	}
	return nil
}

// Add serves an image of the engine as "repo:tag" and returns its whole name.
func (s *ManifestServer) Add(ctx context.Context, cli *client.Client, localImage, repoTag string) (string, error) {
	image, err := cli.ImageInspect(ctx, localImage)
	if err != nil {
		return "", fmt.Errorf("cannot serve %s: %w", localImage, err)
	}
	return s.add(image.ID, repoTag), nil
}

func (s *ManifestServer) add(config, repoTag string) string {
	type part struct {
		MediaType string `json:"mediaType"`
		Size      int64  `json:"size"`
		Digest    string `json:"digest"`
	}
	// Sizes do not matter where nothing is fetched.
	text, _ := json.Marshal(struct { // of these types nothing fails
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
		Config        part   `json:"config"`
		Layers        []part `json:"layers"`
	}{
		2, manifestType,
		part{"application/vnd.docker.container.image.v1+json", 1, config},
		[]part{{"application/vnd.docker.image.rootfs.diff.tar.gzip", 1, digestOf([]byte(config))}},
	})
	repo, _, _ := strings.Cut(repoTag, ":")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manifests[repoTag], s.manifests[repo+"@"+digestOf(text)] = text, text
	return s.Host + "/" + repoTag
}

func digestOf(text []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(text)) }

// ServeHTTP answers as a registry does, except for layers.
func (s *ManifestServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path, found := strings.CutPrefix(req.URL.Path, "/v2/")
	if found && path == "" {
		w.WriteHeader(http.StatusOK)
		return
	}
	repo, version, found := strings.Cut(path, "/manifests/")
	separator := ":"
	if strings.Contains(version, ":") {
		separator = "@"
	}
	s.mu.Lock()
	text := s.manifests[repo+separator+version]
	s.mu.Unlock()
	if !found || text == nil {
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", manifestType)
	w.Header().Set("Docker-Content-Digest", digestOf(text))
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	if req.Method != http.MethodHead {
		_, _ = w.Write(text) // the client may go away
	}
}
