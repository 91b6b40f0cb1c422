package plan

import "testing"

// BenchmarkBuild measures all decisions before the first object is made.
func BenchmarkBuild(b *testing.B) {
	s, job, facts := example()
	job.Services = []Service{{Image: Image{Name: "docker:28-dind"}}, {Image: Image{Name: "postgres:16"}, Aliases: []string{"db"}}}
	dind := DindImage{ID: "sha256:0", Docker: ParseVersion("28.1.1"), Entrypoint: []string{"dockerd-entrypoint.sh"}}
	b.ReportAllocs()
	for b.Loop() {
		p, err := Build(s, job, facts)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := p.Sidecar.Fit(dind, EngineHost{CgroupVersion: "2"}); err != nil {
			b.Fatal(err)
		}
	}
}
