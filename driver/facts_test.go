package driver

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// hostWith returns the root folder of a host with the files.
func hostWith(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// On a host with the engine's bridge, routes lead to all networks, and the engine need not
// list them.
func TestNetworksAreListedWhereRoutesDoNotTell(t *testing.T) {
	t.Parallel()
	const routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n" +
		"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n" +
		"br-1\t0001EB0A\t00000000\t0001\t0\t0\t0\tC0FFFFFF\n"
	routed, listed := netip.MustParsePrefix("10.235.1.0/26"), netip.MustParsePrefix("10.236.1.0/26")
	for name, c := range map[string]struct {
		files map[string]string
		local bool
		want  []netip.Prefix
	}{
		"on the engine's host":      {map[string]string{"proc/net/route": routes, "sys/class/net/docker0/bridge/bridge_id": ""}, true, []netip.Prefix{routed}},
		"in a container":            {map[string]string{"proc/net/route": routes, "sys/class/net/docker0/mtu": "1500"}, true, []netip.Prefix{routed, listed}},
		"an engine on another host": {map[string]string{"proc/net/route": routes, "sys/class/net/docker0/bridge/bridge_id": ""}, false, []netip.Prefix{routed, listed}},
	} {
		e, d := fakeHost(t, nil)
		if c.local {
			e, d = hereHost(t, nil)
		}
		if err := d.eng.Greet(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := d.eng.CreateNetwork(t.Context(), "other", nil, 1500, listed, netip.Prefix{}); err != nil {
			t.Fatal(err)
		}
		d.root = hostWith(t, c.files)
		facts, err := d.Facts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []netip.Prefix{routed, listed} {
			if slices.Contains(facts.Used, p) != slices.Contains(c.want, p) {
				t.Errorf("%s: used are %v, want of these %v", name, facts.Used, c.want)
			}
		}
		if asked := len(e.Lists()) > 0; asked != slices.Contains(c.want, listed) {
			t.Errorf("%s: the engine lists %q", name, e.Lists())
		}
	}
}

// An engine is asked about itself once in its life.
func TestAnEngineIsAskedAboutItselfOnce(t *testing.T) {
	t.Parallel()
	e, d := hereHost(t, nil)
	e.DataRoot = "/data"
	asked := func() int { return e.Count("GET /version") + e.Count("GET /info") }
	ask := func(when string, d *Driver, want int) {
		t.Helper()
		before := asked()
		facts, err := d.Facts(t.Context())
		if err != nil || facts.Arch != "x86_64" || d.eng.Local() && facts.DataRoot != "/data" {
			t.Errorf("%s: %+v (%v)", when, facts, err)
		}
		if n := asked() - before; n != want {
			t.Errorf("%s: it was asked %d times, want %d", when, n, want)
		}
	}
	ask("at first", d, 2)
	ask("then", d, 0)
	e.Restart()
	ask("when the engine has started again", d, 2)
	ask("then", d, 0)
	d.locks.Remember(remembers, []byte(`{"OS":"linux"`))
	ask("after nonsense", d, 2)
	if err := os.Chmod(firstFile(t, d.locks.Dirs[0]), 0o666); err != nil {
		t.Fatal(err)
	}
	ask("after a file that others can write", d, 2)
	e.DataRoot = ""
	e.Restart()
	e.Always("GET /info", fakeengine.Refuse(500, "it does not tell"))
	for range 2 {
		before := asked()
		if _, err := d.Facts(t.Context()); err != nil || asked()-before != 2 {
			t.Errorf("what it does not tell is remembered (%v)", err)
		}
	}
	far, elsewhere := fakeHost(t, nil)
	for range 2 {
		if _, err := elsewhere.Facts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := far.Count("GET /version"); n != 2 {
		t.Errorf("an engine on another host was asked %d times of 2", n)
	}
}

func firstFile(t *testing.T, dir string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("nothing is in %s (%v)", dir, err)
	}
	return all[0]
}

func TestArchitectureOfTheHelperImage(t *testing.T) {
	for goarch, want := range map[string]string{"amd64": "x86_64", "arm64": "arm64", "s390x": "s390x"} {
		if got := helperArch(goarch); got != want {
			t.Errorf("%s: got %s", goarch, got)
		}
	}
}

func TestTheSmallerMTUCounts(t *testing.T) {
	for _, c := range [][3]int{{1450, 1500, 1450}, {1500, 1400, 1400}, {0, 1400, 1400}, {1400, 1400, 1400}} {
		if got := smaller(c[0], c[1]); got != c[2] {
			t.Errorf("of %d and %d: %d", c[0], c[1], got)
		}
	}
}
