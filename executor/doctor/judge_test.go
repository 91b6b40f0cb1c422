package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
)

// sees compares a finding with a level and parts of its text and hint.
func sees(t *testing.T, got Finding, level Level, text, hint string) {
	t.Helper()
	if got.Level != level || !strings.Contains(got.Text, text) || !strings.Contains(got.Hint, hint) {
		t.Errorf("%s %s: %s (hint: %s), want %s, %q and %q", got.Level, got.Check, got.Text, got.Hint, level, text, hint)
	}
	if (got.Hint == "") == (got.Level == Warning || got.Level == Error) {
		t.Errorf("%s %s: a hint goes with what is not well, and with that alone: %q", got.Level, got.Text, got.Hint)
	}
	if strings.Contains(got.Text+got.Hint, "\n") {
		t.Errorf("more than a line: %q", got)
	}
}

func TestJudgingAnEngine(t *testing.T) {
	rootless := config.Default()
	rootless.Sidecar.Privilege = config.PrivilegeRootless
	bounded := rootless
	bounded.Limits.Sidecar.Memory = 1 << 30
	gvisor := rootless
	gvisor.Sidecar.Privilege = config.PrivilegeGVisor
	for name, c := range map[string]struct {
		got        Finding
		level      Level
		text, hint string
	}{
		"of today":          {Engine(driver.Engine{Version: "28.1.1", OS: "linux", Address: "unix:///x"}), OK, "docker 28.1.1 at unix:///x", ""},
		"too old":           {Engine(driver.Engine{Version: "19.03.15", OS: "linux", TooOld: true}), Error, "docker 19.03.15 at  is too old: 20.10 is the oldest", "install a newer"},
		"rootless":          {Engine(driver.Engine{Version: "28.1.1", Rootless: true, Remapped: true}), OK, ", which runs without root, with userns-remap", ""},
		"Windows":           {Engine(driver.Engine{Version: "28.1.1", OS: "windows"}), Error, "for windows containers", "Linux"},
		"overlay2":          {Storage(driver.Engine{StorageDriver: "overlay2"}), OK, "overlay2", ""},
		"vfs":               {Storage(driver.Engine{StorageDriver: "vfs"}), Warning, "copies every layer", "overlay2"},
		"given up":          {Storage(driver.Engine{StorageDriver: "aufs"}), Warning, "aufs", "overlay2"},
		"cgroup v2":         {Cgroups(driver.Engine{CgroupVersion: "2", CgroupDriver: "systemd"}, config.Default()), OK, "v2, by systemd", ""},
		"no cgroups":        {Cgroups(driver.Engine{CgroupVersion: "2", CgroupDriver: "none"}, config.Default()), Warning, "no effect", "cgroups"},
		"rootless on v1":    {Cgroups(driver.Engine{CgroupVersion: "1"}, rootless), Warning, "nothing bounds them all", "limits.sidecar.memory"},
		"rootless on v2":    {Cgroups(driver.Engine{CgroupVersion: "2", CgroupDriver: "systemd"}, rootless), Warning, "no limits of their own", "limits.sidecar.memory"},
		"gvisor":            {Cgroups(driver.Engine{CgroupVersion: "2", CgroupDriver: "systemd"}, gvisor), Warning, "containers in gvisor sidecars have no limits of their own, and nothing bounds them all", "limits.sidecar.memory"},
		"rootless, bounded": {Cgroups(driver.Engine{CgroupVersion: "2", CgroupDriver: "systemd"}, bounded), OK, "limits.sidecar bounds them all", ""},
	} {
		t.Run(name, func(t *testing.T) { sees(t, c.got, c.level, c.text, c.hint) })
	}
}

func TestTheGitLabThatSettingsNeedIsNamed(t *testing.T) {
	yes := true
	off := config.Default()
	off.Cache.Volume, off.Cache.Layers = false, config.LayersOff
	policies := off
	policies.Policies = []config.Policy{{Projects: []string{"a/*"}}, {Protected: &yes}}
	both := config.Default()
	both.Policies = policies.Policies
	const since = "GitLab 18.3 and GitLab Runner 18.4, or later"
	sees(t, Protection(off, "16.11.4"), OK, "any GitLab", "")
	sees(t, Protection(policies, ""), OK, "policies with protected need "+since, "")
	sees(t, Protection(config.Default(), "18.4.0"), OK, "what is cached needs "+since, "")
	sees(t, Protection(both, "19.3.0"), OK, "what is cached, and policies with protected, need "+since, "")
	for _, old := range []string{"16.11.4", "17.11.4", "18.3.2"} {
		sees(t, Protection(both, old), Warning, since+"; this one is "+old, "upgrade GitLab Runner")
	}
}

func TestJudgingClocks(t *testing.T) {
	for name, c := range map[string]struct {
		ahead, doubt time.Duration
		level        Level
		text         string
	}{
		"equal":                         {time.Millisecond, time.Millisecond, OK, "agree"},
		"not told":                      {0, 0, OK, "does not tell"},
		"ahead":                         {time.Minute, time.Millisecond, Warning, "1m ahead of"},
		"behind":                        {-time.Minute, time.Millisecond, Warning, "1m behind"},
		"within what a slow answer may": {8 * time.Second, 4 * time.Second, OK, "agree"},
		"far off":                       {-time.Hour, time.Millisecond, Error, "1h behind"},
	} {
		t.Run(name, func(t *testing.T) {
			hint := ""
			if c.level != OK {
				hint = "time server"
			}
			sees(t, Clock(driver.Engine{Ahead: c.ahead, Doubt: c.doubt}), c.level, c.text, hint)
		})
	}
}

func TestJudgingRoom(t *testing.T) {
	s := config.Default()
	s.Admission = config.Admission{MinFreeDisk: 2 << 30, MinFreeMemory: 512 << 20}
	for name, c := range map[string]struct {
		free         plan.Free
		disk, memory Level
	}{
		"enough":       {plan.Free{Disk: 3 << 30, Memory: 1 << 30}, OK, OK},
		"a full disk":  {plan.Free{Disk: 1 << 30, Memory: 1 << 30}, Error, OK},
		"memory short": {plan.Free{Disk: 3 << 30, Memory: 1 << 20}, OK, Error},
		"not known":    {plan.Free{Disk: -1, Memory: -1}, OK, OK},
	} {
		t.Run(name, func(t *testing.T) {
			found := Room(s, c.free, "/var/lib/docker")
			if found[0].Level != c.disk || found[1].Level != c.memory {
				t.Errorf("%+v", found)
			}
		})
	}
	sees(t, Room(s, plan.Free{Disk: 1 << 30, Memory: -1}, "/var/lib/docker")[0], Error, "1 GB are free at /var/lib/docker, and jobs wait for 2 GB", "gitlab-dind-executor gc")
	s.Sidecar.Privilege = config.PrivilegeGVisor
	sees(t, Room(s, plan.Free{Disk: 3 << 30, Memory: 1 << 30}, "/var/lib/docker")[1], Error,
		"1 GB are free, and jobs wait for 4.5 GB (admission.min_free_memory and gvisor.size)", "change admission.min_free_memory and gvisor.size")
}

func TestJudgingAddressPools(t *testing.T) {
	n := config.Default().Network
	prefixes := func(list ...string) (p []netip.Prefix) {
		for _, s := range list {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	var all, nearly []netip.Prefix
	for i := range 1024 {
		all = append(all, plan.Subnet(n.Pool, 26, i))
	}
	nearly = all[:1020]
	for name, c := range map[string]struct {
		used        []netip.Prefix
		pool, inner Level
		poolText    string
		innerText   string
	}{
		"nothing used":          {nil, OK, OK, "1024 of 1024", "10.232.0.0/16 is free"},
		"some sandboxes":        {all[:3], OK, OK, "1021 of 1024", "is free"},
		"nearly all":            {nearly, Warning, OK, "4 of 1024", "is free"},
		"all":                   {all, Error, OK, "all 1024 are in use", "is free"},
		"a VPN over everything": {prefixes("10.0.0.0/8"), Error, OK, "use 10.0.0.0/8", "172.29.0.0/16 is free"},
		"a network in the pool": {prefixes("10.231.4.0/24"), Warning, OK, "overlaps 10.231.4.0/24", "is free"},
		"no inner pool":         {prefixes("10.232.1.0/24", "172.16.0.0/12", "192.168.0.0/16"), OK, Error, "1024", "10.232.0.0/16 by 10.232.1.0/24; 172.29.0.0/16 by 172.16.0.0/12"},
	} {
		t.Run(name, func(t *testing.T) {
			found := Pools(n, c.used)
			sees(t, found[0], c.pool, c.poolText, "")
			sees(t, found[1], c.inner, c.innerText, "")
		})
	}
}

func TestJudgingPrivileges(t *testing.T) {
	no := fault.System(errors.New("the docker engine refuses a privileged container: authorization denied"), "allow it")
	grants := func(privileged, reduced, rootless error) []Grant {
		return []Grant{{"privileged", privileged}, {"reduced", reduced}, {"rootless", rootless}}
	}
	settings := func(text string) config.Settings {
		s, err := config.Parse("dind.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rootless := "[sidecar]\nprivilege = \"rootless\"\nimage = \"docker:dind-rootless\"\n"
	for name, c := range map[string]struct {
		settings   string
		grants     []Grant
		level      Level
		text, hint string
	}{
		"all":                     {"", grants(nil, nil, nil), OK, "privileged is allowed; so would be reduced, rootless", ""},
		"only what is wanted":     {"", grants(nil, no, no), OK, "privileged is allowed; not reduced, rootless", ""},
		"not what is wanted":      {"", grants(no, nil, nil), Error, "privileged, which the settings want, is refused: the docker engine refuses", "allow it"},
		"another mode":            {rootless, grants(no, nil, nil), OK, "rootless is allowed; so would be reduced; not privileged", ""},
		"a policy's":              {rootless + "[[policy]]\nsidecar.privilege = \"privileged\"\n", grants(nil, nil, nil), OK, "rootless and privileged are allowed; so would be reduced", ""},
		"a policy's, refused":     {rootless + "[[policy]]\nsidecar.privilege = \"privileged\"\n", grants(no, nil, nil), Error, "privileged, which the settings want, is refused", "allow it"},
		"a runtime that it lacks": {"[sidecar]\nprivilege = \"runtime\"\nruntime = \"sysbox-runc\"\n", grants(nil, nil, nil), Error, `no runtime "sysbox-runc"; it has runc, runsc`, "daemon.json"},
		"gVisor, without a name":  {"[sidecar]\nprivilege = \"gvisor\"\n", grants(nil, nil, nil), OK, "gvisor is allowed; so would be privileged, reduced, rootless", ""},
		"gVisor that it lacks":    {"[sidecar]\nprivilege = \"gvisor\"\nruntime = \"gv\"\n", grants(nil, nil, nil), Error, `no runtime "gv"; it has runc, runsc`, "daemon.json"},
		"gVisor by a policy":      {"[sidecar]\nprivilege = \"runtime\"\nruntime = \"runc\"\n[[policy]]\nsidecar.privilege = \"gvisor\"\n", grants(nil, nil, nil), OK, "runtime and gvisor are allowed", ""},
		"a runtime that it has":   {"[sidecar]\nprivilege = \"runtime\"\nruntime = \"runsc\"\n", grants(nil, nil, nil), OK, "runtime is allowed; so would be privileged, reduced, rootless", ""},
	} {
		t.Run(name, func(t *testing.T) {
			sees(t, Privileges(settings(c.settings), driver.Engine{Runtimes: []string{"runc", "runsc"}}, c.grants), c.level, c.text, c.hint)
		})
	}
}

func TestJudgingImages(t *testing.T) {
	no := fault.Job(errors.New("pulling image x/y:1: manifest unknown"), "check the image's name and tag")
	for name, c := range map[string]struct {
		seen       ImageSeen
		level      Level
		text, hint string
	}{
		"here":                          {ImageSeen{There: true}, OK, "x/y:1 is here", ""},
		"to be had":                     {ImageSeen{}, OK, "its registry gives it", ""},
		"needed and not to be had":      {ImageSeen{Needed: true, PullErr: no}, Error, "x/y:1 cannot be pulled: manifest unknown", "name and tag"},
		"not to be had, and a mirror's": {ImageSeen{PullErr: no}, Warning, "cannot be pulled", "name and tag"},
		"not here and never pulled":     {ImageSeen{Needed: true, Never: true}, Error, "pull.policy is never", "prepull"},
		"an engine that does not tell":  {ImageSeen{Err: fault.System(errors.New("gone"), "start it")}, Error, "gone", "start it"},
		"not to be had, without a word": {ImageSeen{PullErr: errors.New("status 500")}, Warning, "status 500", "docker pull x/y:1"},
	} {
		t.Run(name, func(t *testing.T) { sees(t, Image("x/y:1", c.seen), c.level, c.text, c.hint) })
	}
}

func TestJudgingRegistries(t *testing.T) {
	for name, c := range map[string]struct {
		err        error
		level      Level
		text, hint string
	}{
		"right":         {nil, OK, "r:5000 has a certificate by the CA of /ca.pem", ""},
		"a wrong CA":    {fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), Error, "signed by a CA that /ca.pem does not hold", "openssl s_client -showcerts -connect r:5000"},
		"another name":  {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "r"}, Error, "the certificate of r:5000", "another certificate"},
		"out of reach":  {errors.New("connection refused"), Warning, "cannot be asked for its certificate: connection refused", "by a proxy"},
		"no TLS":        {fmt.Errorf("tls: %w", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), Error, "r:5000 speaks no TLS", `insecure = true in place of ca_file under [registry."r:5000"]`},
		"a certificate": {x509.CertificateInvalidError{Reason: x509.Expired}, Error, "the certificate of r:5000", "another certificate"},
	} {
		t.Run(name, func(t *testing.T) { sees(t, Registry("r:5000", "/ca.pem", c.err), c.level, c.text, c.hint) })
	}
}

func TestJudgingTheRegistryBehindTheMirror(t *testing.T) {
	refused := &url.Error{Op: "Get", URL: "https://r:5000/v2/", Err: errors.New("dial tcp: lookup r: no such host")}
	for name, c := range map[string]struct {
		status     int
		err        error
		level      Level
		text, hint string
	}{
		"answers":        {200, nil, OK, "https://r:5000 answers", ""},
		"wants a login":  {401, nil, OK, "https://r:5000 answers", ""},
		"is none":        {404, nil, Warning, "is no registry: it answers with status 404", "name a registry in mirror.remote"},
		"moved":          {301, nil, Warning, "is no registry: it answers with status 301", "name a registry in mirror.remote"},
		"fails":          {503, nil, Warning, "fails with status 503", "what the mirror stores"},
		"is not there":   {0, refused, Warning, "https://r:5000, the registry behind the mirror, does not answer: dial tcp: lookup r: no such host", "mend mirror.remote"},
		"has no TLS":     {0, errors.New("http: server gave HTTP response to HTTPS client"), Warning, "speaks no TLS", "http:// in mirror.remote"},
		"another talk":   {0, fmt.Errorf("tls: %w", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), Warning, "speaks no TLS", "http:// in mirror.remote"},
		"has its own CA": {0, fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), Warning, "signed by a CA that nobody knows here", `ca_file under [registry."r:5000"]`},
	} {
		t.Run(name, func(t *testing.T) { sees(t, Remote("https://r:5000", c.status, c.err), c.level, c.text, c.hint) })
	}
}

func TestJudgingTheHelper(t *testing.T) {
	for name, c := range map[string]struct {
		tool, runner string
		there        bool
		level        Level
		text         string
	}{
		"the Runner's":         {"18.6.6", "18.6.6", true, OK, "18.6.6 for a Runner of 18.6.6"},
		"another patch":        {"18.6.1", "18.6.6", true, OK, "18.6.1"},
		"older":                {"16.0.0", "18.6.6", true, Warning, "has gitlab-runner 16.0.0, the runner is 18.6.6"},
		"none":                 {"", "18.6.6", false, Warning, "has no gitlab-runner"},
		"an unknown Runner":    {"18.6.6", "", true, OK, "not known here"},
		"one that tells none":  {"", "18.6.6", true, OK, "not known for a Runner of 18.6.6"},
		"development versions": {"18.7.0~pre", "18.7.0", true, OK, "18.7.0"},
	} {
		t.Run(name, func(t *testing.T) {
			hint := ""
			if c.level != OK {
				hint = "helper.image"
			}
			sees(t, Helper("img", c.tool, c.there, c.runner), c.level, c.text, hint)
		})
	}
}

func TestJudgingConcurrency(t *testing.T) {
	sees(t, Concurrency(4, 4, 16<<30), OK, "4 at once", "")
	sees(t, Concurrency(0, 4, 16<<30), OK, "1 at once", "")
	sees(t, Concurrency(50, 4, 16<<30), Warning, "50 at once, on 4 cores", "concurrent = 4")
}

func TestJudgingLeftovers(t *testing.T) {
	swept := sandbox.Verdict{Fate: sandbox.Swept}
	stuck := removal.StuckVolume{Name: "dind-aaaaaaaaaaaa-builds", Reason: "operation not permitted"}
	for name, c := range map[string]struct {
		verdicts []sandbox.Verdict
		stuck    []removal.StuckVolume
		level    Level
		says     string
	}{
		"none":                  {nil, nil, OK, "none"},
		"a sandbox":             {[]sandbox.Verdict{swept}, nil, Warning, "1 sandboxes that no living job owns"},
		"a volume that resists": {[]sandbox.Verdict{swept}, []removal.StuckVolume{stuck}, Warning, "1 volumes that resist their removal, such as dind-aaaaaaaaaaaa-builds: operation not permitted"},
	} {
		if f := Leftovers(c.verdicts, c.stuck); f.Level != c.level || f.Text != c.says || (f.Hint == "") != (c.level == OK) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestJudgingTheFirewall(t *testing.T) {
	for name, c := range map[string]struct {
		r, r6 driver.Reach
		ipv6  bool
		level Level
		says  string
	}{
		"closed":                    {driver.ReachClosed, driver.ReachUnknown, false, OK, "jobs do not reach this host's own services"},
		"closed, IPv6 too":          {driver.ReachClosed, driver.ReachClosed, true, OK, "jobs do not reach this host's own services"},
		"open":                      {driver.ReachOpen, driver.ReachClosed, true, Warning, "jobs reach this host's own services"},
		"open by IPv6 alone":        {driver.ReachClosed, driver.ReachOpen, true, Warning, "jobs reach this host's own services by IPv6"},
		"IPv6 that cannot be tried": {driver.ReachClosed, driver.ReachUnknown, true, Warning, "whether jobs reach this host's own services by IPv6 cannot be told from here"},
		"nothing that can be tried": {driver.ReachUnknown, driver.ReachUnknown, true, Warning, "whether jobs reach this host's own services cannot be told from here"},
		"IPv4 that cannot be tried": {driver.ReachUnknown, driver.ReachClosed, true, Warning, "whether jobs reach this host's own services cannot be told from here"},
	} {
		if f := Firewall(c.r, c.r6, c.ipv6); f.Level != c.level || f.Text != c.says || (f.Hint == "") != (c.level == OK) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
