package visit

import (
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

// known tells whether settings have a key.
func known(key string) bool {
	t := reflect.TypeFor[config.Settings]()
	for _, name := range strings.Split(key, ".") {
		if t.Kind() != reflect.Struct {
			return false
		}
		fields := config.Fields(t)
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("toml") == name })
		if i < 0 {
			return false
		}
		t = fields[i].Type
	}
	return true
}

func TestChecksReadKeysThatThereAre(t *testing.T) {
	v := &Host{}
	var names []string
	for _, c := range v.Checks() {
		names = append(names, c.Name)
	}
	read := map[string]bool{}
	for check, keys := range reads {
		if !slices.Contains(names, check) {
			t.Errorf("there is no check %q", check)
		}
		for _, key := range keys {
			if !known(key) {
				t.Errorf("%s reads %s, which settings do not have", check, key)
			}
			table, _, _ := strings.Cut(key, ".")
			read[table] = true
		}
	}
	// No check is about these.
	for _, table := range []string{"bundles", "log", "trace"} {
		read[table] = true
	}
	for _, f := range config.Fields(reflect.TypeFor[config.Settings]()) {
		if table := f.Tag.Get("toml"); !read[table] {
			t.Errorf("no check reads [%s]", table)
		}
	}
}

func TestWhichProxyLeadsToTheRegistryBehindTheMirror(t *testing.T) {
	p := config.Proxy{HTTP: "http://plain.example.com:3128", HTTPS: "http://user:pw@proxy.example.com:3128", NoProxy: "10.0.0.0/8,fd00::/8,192.0.2.7,.within.example.com,*.star.example.com,r.example.com,p.example.com:5000"}
	for to, want := range map[string]string{
		"https://registry-1.docker.io":   "proxy.example.com:3128",
		"http://other.example.com":       "plain.example.com:3128",
		"https://r.example.com:5050":     "",
		"https://a.within.example.com":   "",
		"https://rr.example.com":         "proxy.example.com:3128",
		"https://notwithin.example.com2": "proxy.example.com:3128",
		"https://within.example.com":     "proxy.example.com:3128",
		"https://A.Star.Example.com":     "",
		"https://notstar.example.com":    "proxy.example.com:3128",
		"https://10.1.2.3:5050":          "",
		"https://11.1.2.3":               "proxy.example.com:3128",
		"https://[fd00::7]:5050":         "",
		"https://192.0.2.7":              "",
		"https://p.example.com:5000":     "",
		"https://p.example.com":          "proxy.example.com:3128",
	} {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if proxy := proxyFor(p, u); proxy != nil {
			got = proxy.Host
		}
		if got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
	p.NoProxy = "*"
	if proxy := proxyFor(p, &url.URL{Scheme: "https", Host: "r.example.com"}); proxy != nil {
		t.Errorf("with no_proxy = \"*\": %s", proxy.Host)
	}
	if proxy := proxyFor(config.Proxy{}, &url.URL{Scheme: "https", Host: "r.example.com"}); proxy != nil {
		t.Errorf("without settings: %s", proxy)
	}
}

func TestExtraHostsGoBeforeNameServers(t *testing.T) {
	extra := []string{"r.example.com:192.0.2.7", "here.example.com:host-gateway", "six.example.com:fd00::7"}
	gateway := netip.MustParseAddr("172.17.0.1")
	for name, want := range map[string]string{
		"r.example.com": "192.0.2.7", "here.example.com": "172.17.0.1", "six.example.com": "fd00::7", "other.example.com": "other.example.com",
	} {
		if got := addressOf(name, extra, gateway); got != want {
			t.Errorf("%s is at %s, want %s", name, got, want)
		}
	}
}
