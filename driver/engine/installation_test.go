package engine

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/test/fakeengine"
)

// opened is a connection for the installation of that name.
func opened(t *testing.T, host, installation string) *Engine {
	t.Helper()
	t.Setenv(Installation, installation)
	e, err := Open(host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// Sweeps, pools, caches, seeds and mirrors all begin with such a list. An installation neither
// takes nor removes an object outside its list.
func TestAnInstallationFindsOnlyItsOwn(t *testing.T) {
	fake := fakeengine.New(t)
	fake.AddImage("x", fakeengine.Image{})
	one, all := opened(t, fake.Host, "one"), opened(t, fake.Host, "")
	fill := func(e *Engine, prefix string) {
		l := map[string]string{label.Sandbox: prefix + "aaaaaaaaaaa", label.Role: "builds"}
		if _, err := e.CreateVolume(t.Context(), prefix+"volume", l); err != nil {
			t.Fatal(err)
		}
		if _, err := e.CreateNetwork(t.Context(), prefix+"network", l, 1500, netip.MustParsePrefix("10."+prefix+".0.0/24"), netip.Prefix{}); err != nil {
			t.Fatal(err)
		}
		s := Spec{Name: prefix + "container", config: &container.Config{Image: "x", Labels: l}, host: &container.HostConfig{NetworkMode: container.NetworkMode(prefix + "network"), Mounts: []mount.Mount{
			{Type: mount.TypeVolume, Source: prefix + "data", Target: "/data", VolumeOptions: &mount.VolumeOptions{Labels: l}},
		}}}
		if _, err := e.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if _, named := l[label.Installation]; named {
			t.Fatal("the caller's labels are changed")
		}
	}
	fill(one, "1")
	fill(all, "2")
	count := func(e *Engine, labels ...string) []int {
		containers, err1 := e.Containers(t.Context(), labels...)
		volumes, err2 := e.Volumes(t.Context(), labels...)
		networks, err3 := e.Networks(t.Context(), labels...)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		return []int{len(containers), len(volumes), len(networks)}
	}
	for name, c := range map[string]struct {
		by     *Engine
		labels []string
		want   []int
	}{
		"what is ours, by one":           {one, []string{label.Sandbox}, []int{1, 2, 1}},
		"a role, by one":                 {one, []string{label.Role + "=builds"}, []int{1, 2, 1}},
		"what is ours, by all":           {all, []string{label.Sandbox}, []int{2, 4, 2}},
		"a sandbox that is known":        {one, []string{label.Sandbox + "=2aaaaaaaaaaa"}, []int{1, 2, 1}},
		"anything, as for free subnets":  {one, nil, []int{2, 4, 2}},
		"another's labels, such as ours": {one, []string{"com.example"}, []int{0, 0, 0}},
	} {
		if got := count(c.by, c.labels...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	found, err := one.Ours(t.Context(), label.Sandbox)
	if err != nil || !slices.Equal(slices.Collect(maps.Keys(found)), []string{"1aaaaaaaaaaa"}) {
		t.Errorf("it has %v, %v", found, err)
	}
}

// Objects found by name alone are freed and removed as well, for example volumes that resist.
func TestAnInstallationFindsOnlyItsOwnByName(t *testing.T) {
	fake := fakeengine.New(t)
	one, all := opened(t, fake.Host, "one"), opened(t, fake.Host, "")
	for e, name := range map[*Engine]string{one: "dind-a-stuck", all: "dind-b-stuck"} {
		if _, err := e.CreateVolume(t.Context(), name, map[string]string{label.Role: "stuck"}); err != nil {
			t.Fatal(err)
		}
	}
	fake.AddVolume("dind-c", nil) // nobody knows the owner of a volume without labels
	for name, c := range map[string]struct {
		by   *Engine
		want []string
	}{"one": {one, []string{"dind-a-stuck", "dind-c"}}, "all": {all, []string{"dind-a-stuck", "dind-b-stuck", "dind-c"}}} {
		found, err := c.by.VolumesNamed(t.Context(), label.NamesOf(""))
		var names []string
		for _, v := range found {
			names = append(names, v.Name)
		}
		if slices.Sort(names); err != nil || !slices.Equal(names, c.want) {
			t.Errorf("%s: %q, %v, want %q", name, names, err, c.want)
		}
	}
}

func TestWhatIsNoNameOfAnInstallation(t *testing.T) {
	for _, name := range []string{"A", "a=b", "-a", "a b", "a\n", "0123456789012345678901234567890123456789012345678901234567890123"} {
		t.Setenv(Installation, name)
		if e, err := Open("unix:///nonexistent"); err == nil {
			_ = e.Close()
			t.Errorf("%q is taken for one", name)
		}
	}
}
