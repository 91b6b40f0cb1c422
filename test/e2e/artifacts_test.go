package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// gitlabOf starts the part of GitLab's API for artifacts.
func gitlabOf(t *testing.T) *rig.ArtifactServer {
	t.Helper()
	s, err := rig.StartArtifactServer(t.Context(), world.Engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// withToken gives a job a token of its own and tells the server of the token.
func withToken(s *rig.ArtifactServer, p local.Payload) local.Payload {
	p.Token = fmt.Sprintf("token-of-job-%d", p.ID)
	s.Know(p.ID, p.Token)
	return p
}

func uploadingTo(s *rig.ArtifactServer) func(*local.Runner) {
	return func(r *local.Runner) { r.URL = s.URL }
}

func TestArtifactsGoFromJobToJob(t *testing.T) {
	gitlab := gitlabOf(t)
	build := withToken(gitlab, world.Job(
		`mkdir -p out/bin; echo "program of $CI_COMMIT_SHORT_SHA" > out/bin/program; echo no > out/secret.key`,
		`echo "VERSION=1.2.3" > build.env`,
	))
	build.Artifacts = []local.Artifact{
		{Name: "programs", Paths: []string{"out/"}, Exclude: []string{"out/*.key"}, When: "on_success", Type: "archive", Format: "zip", ExpireIn: "1 day"},
		{Name: "environment", Paths: []string{"build.env"}, When: "always", Type: "dotenv", Format: "gzip"},
		{Name: "logs", Paths: []string{"build.env"}, When: "on_failure", Type: "archive", Format: "zip"},
	}
	runJob(t, build, uploadingTo(gitlab)).succeeded().quietCleanup().saysNot(build.Token, "Missing gitlab-runner")

	kept := gitlab.Of(build.ID)
	if len(kept) != 2 {
		t.Fatalf("the job uploaded %d artifacts, want two: %+v", len(kept), kept)
	}
	if a := kept[0]; a.Type != "archive" || a.Format != "zip" || a.ExpireIn != "1 day" || a.Filename != "programs.zip" {
		t.Errorf("the archive is %s %s, kept for %s, named %s", a.Type, a.Format, a.ExpireIn, a.Filename)
	}
	if a := kept[1]; a.Type != "dotenv" || a.Format != "gzip" || unpacked(t, a.Content) != "VERSION=1.2.3\n" {
		t.Errorf("the report is %s %s: %q", a.Type, a.Format, a.Content)
	}

	test := withToken(gitlab, images(world.Job(`cat out/bin/program`, `ls out; echo $VERSION`), rig.ImageBusybox, rig.ImageDind))
	test.Dependencies = []local.Dependency{
		{ID: build.ID, Token: build.Token, Name: "build", ArtifactsFile: local.ArtifactsFile{Filename: "programs.zip", Size: int64(len(kept[0].Content))}},
		{ID: 1, Token: "unknown", Name: "without artifacts"},
	}
	test.Variables = append(test.Variables, local.Variable{Key: "VERSION", Value: "1.2.3"}) // as GitLab hands on the content of a report
	runJob(t, test, uploadingTo(gitlab)).succeeded().quietCleanup().
		says("Downloading artifacts for build", "\nprogram of "+world.Git.SHA[:8], "\nbin\n1.2.3\n").
		saysNot("\nsecret.key", build.Token)
}

func TestArtifactsOfAFailedJob(t *testing.T) {
	gitlab := gitlabOf(t)
	p := withToken(gitlab, world.Job(`echo why > reason.log`, `exit 3`))
	for _, when := range []string{"on_success", "on_failure", "always"} {
		p.Artifacts = append(p.Artifacts, local.Artifact{Name: when, Paths: []string{"reason.log"}, When: when, Type: "archive", Format: "zip"})
	}
	runJob(t, p, uploadingTo(gitlab)).failedWith(3).quietCleanup()
	var names []string
	for _, a := range gitlab.Of(p.ID) {
		names = append(names, a.Filename)
	}
	if fmt.Sprint(names) != "[on_failure.zip always.zip]" {
		t.Errorf("a failed job uploaded %v", names)
	}

	// A token that GitLab refuses fails the job, as with the docker executor.
	p = world.Job(`echo x > x`)
	p.Artifacts = []local.Artifact{{Paths: []string{"x"}}}
	if r := runJob(t, p, uploadingTo(gitlab)).quietCleanup(); r.State != local.Failed {
		t.Errorf("a job whose artifacts were refused ended as %s", r.State)
	}
}

func unpacked(t *testing.T, content []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
