package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed" // compile
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing/fstest"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// shop is a project with an expensive image, as people have them. The build installs packages
// from a local archive, checks, compiles and tests them. Then it compiles, bundles, compresses
// and tests the project's own sources.
type shop struct {
	*rig.GitProject
	// sha is the commit that jobs build.
	sha     string
	commits int
}

const (
	shopPath = "group/shop"
	// packages and sources are numbers of files. The packages are 15 MB of text.
	packages, sources = 500, 120
	packageSize       = 30 << 10
)

const shopDockerfile = `FROM %s/base/busybox:latest AS build
WORKDIR /shop
COPY packages.tar.gz SUMS ./
RUN tar -xzf packages.tar.gz && rm packages.tar.gz && sha256sum -c SUMS >/dev/null
COPY compile.sh ./
RUN mkdir out && for f in packages/*.txt; do ./compile.sh "$f" out; done
RUN for f in out/*.o; do gzip -9c "$f" | zcat | cmp - "$f" || exit 1; done
RUN cat out/*.o | gzip -9 >vendor.gz
COPY src src
RUN mkdir app && for f in src/*.txt; do ./compile.sh "$f" app; done
RUN cat app/*.o | sort -u >bundle && gzip -9 -k bundle
RUN test "$(ls app/*.o | wc -l)" = %d && zcat vendor.gz | grep -c word >/dev/null

FROM %[1]s/base/busybox:latest
COPY --from=build /shop/vendor.gz /shop/bundle.gz /app/
CMD ["ls", "/app"]
`

// compile counts the words of a file, about as much work as compiling the file.
//
//go:embed compile.sh
var compile string

// newShop adds the project to the lab's git server.
func (b *bench) newShop(ctx context.Context) (*shop, error) {
	project, err := b.lab.Git.AddProject(ctx, shopPath, shopFiles(b.lab.Registry.Host))
	if err != nil {
		return nil, err
	}
	if err := project.Pack(ctx); err != nil {
		return nil, err
	}
	return &shop{GitProject: project, sha: project.SHA}, nil
}

// shopFiles are the same in every run.
func shopFiles(registry string) fs.FS {
	random := rand.New(rand.NewPCG(1, 2))
	archive, sums := packageArchive(random)
	files := fstest.MapFS{
		"Dockerfile":      {Data: fmt.Appendf(nil, shopDockerfile, registry, sources)},
		"compile.sh":      {Data: []byte(compile), Mode: 0o755},
		"packages.tar.gz": {Data: archive},
		"SUMS":            {Data: sums},
	}
	for i := range sources {
		files[sourceName(i)] = &fstest.MapFile{Data: prose(random, packageSize)}
	}
	return files
}

func sourceName(i int) string { return fmt.Sprintf("src/file%03d.txt", i) }

// packageArchive is the packages as a .tar.gz, and their checksums.
func packageArchive(random *rand.Rand) (archive, sums []byte) {
	var buf, list bytes.Buffer
	z := gzip.NewWriter(&buf)
	t := tar.NewWriter(z)
	for i := range packages {
		text, name := prose(random, packageSize), fmt.Sprintf("packages/package%03d.txt", i)
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(text), name)
		// Writes into memory do not fail.
		_ = t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
		_, _ = t.Write(text)
	}
	_, _ = t.Close(), z.Close()
	return buf.Bytes(), list.Bytes()
}

// prose is text of about size bytes that compresses as text does.
func prose(random *rand.Rand, size int) []byte {
	var b bytes.Buffer
	for b.Len() < size {
		b.WriteString("word")
		for n := random.IntN(4000); n > 0; n /= 20 {
			b.WriteByte(byte('a' + n%20))
		}
		b.WriteByte(" \n"[min(random.IntN(12), 1)&1])
	}
	return b.Bytes()
}

// change commits a new version of a single source file.
func (s *shop) change(ctx context.Context) (err error) {
	s.commits++
	random := rand.New(rand.NewPCG(3, uint64(s.commits)))
	s.sha, err = s.Commit(ctx, fstest.MapFS{sourceName(7): {Data: prose(random, packageSize)}})
	return err
}

// rebuild measures whole jobs that build and push the shop's image. The docker executor runs
// them, and this executor with an empty daemon and with the layers of the job before.
func (b *bench) rebuild() table {
	one := func(key, name string, w way, change bool) trial {
		return trial{
			figures: []figure{{key, name, "ms"}, {key + "c", name + ", CPU of the machine", "s"}},
			measure: func(ctx context.Context, n note) error { return b.buildShop(ctx, key, w, change, n) },
		}
	}
	cached := b.ours(b.layers)
	return table{
		key: "rebuild", title: "A whole job that builds and pushes an image", rounds: (b.rounds + 1) / 2, warm: true,
		trials: []trial{
			one("RX", "unchanged project, docker executor with docker:dind", b.rival, false),
			one("R", "unchanged project, empty daemon", b.ours(b.lab.Settings), false),
			one("RL", "unchanged project, layers cached", cached, false),
			one("SL", "one source file changed, layers cached", cached, true),
		},
	}
}

// buildShop runs the job, with change after a commit to its project. The time runs from the
// Runner's start to the end of cleanup. A job without its pushed image in the registry has
// failed.
func (b *bench) buildShop(ctx context.Context, key string, w way, change bool, n note) error {
	if change {
		if err := b.shop.change(ctx); err != nil {
			return err
		}
	}
	p := b.job(
		lab.Login,
		`docker build -t $CI_REGISTRY/`+shopPath+`:latest .`,
		`docker push $CI_REGISTRY/`+shopPath+`:latest`,
	)
	p.GitInfo.RepoURL, p.GitInfo.SHA, p.JobInfo.ProjectID = b.shop.URL, b.shop.sha, 43
	if err := w.ready(ctx, p); err != nil {
		return err
	}
	used, err := measured(func() error {
		o, err := w.run(ctx, p, 0)
		if err == nil {
			n(key, ms(o.whole()))
			err = b.quiet(ctx)
		}
		return err
	})
	n(key+"c", used.cpu)
	return err
}
