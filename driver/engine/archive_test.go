package engine

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDirectoriesAboveAFile(t *testing.T) {
	for path, want := range map[string][]string{
		"/certs/client/ca.pem": {"/certs/client"},
		"/etc/docker/certs.d/registry.example.com:5050/ca.crt": {
			"/etc/docker", "/etc/docker/certs.d", "/etc/docker/certs.d/registry.example.com:5050",
		},
		"/etc/file": nil, // the image's own directory keeps its mode
		"/file":     nil,
	} {
		if got := Parents(path); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestFilesForAContainer(t *testing.T) {
	b, err := Archive([]File{
		{Path: "/etc/docker/daemon.json", Mode: 0o644, Content: []byte("{}")},
		{Path: "/etc/docker/certs.d/r/ca.crt", Mode: 0o644, Content: []byte("pem")},
		{Path: "/certs/server/key.pem", Mode: 0o600, Content: []byte("key")},
		{Path: "/empty", Mode: 0o644, Content: nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		Name, Content string
		Mode          int64
		Type          byte
	}
	var got []entry
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
		}
		got = append(got, entry{h.Name, string(content), h.Mode, h.Typeflag})
	}
	want := []entry{
		{"etc/docker/", "", 0o755, tar.TypeDir},
		{"etc/docker/daemon.json", "{}", 0o644, tar.TypeReg},
		{"etc/docker/certs.d/", "", 0o755, tar.TypeDir},
		{"etc/docker/certs.d/r/", "", 0o755, tar.TypeDir},
		{"etc/docker/certs.d/r/ca.crt", "pem", 0o644, tar.TypeReg},
		{"certs/server/", "", 0o755, tar.TypeDir},
		{"certs/server/key.pem", "key", 0o600, tar.TypeReg},
		{"empty", "", 0o644, tar.TypeReg},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
