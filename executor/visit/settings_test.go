package visit

import (
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
	p := config.Proxy{HTTP: "http://plain.example.com:3128", HTTPS: "http://user:pw@proxy.example.com:3128", NoProxy: "10.0.0.0/8,.within.example.com,r.example.com"}
	for to, want := range map[string]string{
		"https://registry-1.docker.io":   "proxy.example.com:3128",
		"http://other.example.com":       "plain.example.com:3128",
		"https://r.example.com:5050":     "",
		"https://a.within.example.com":   "",
		"https://rr.example.com":         "proxy.example.com:3128",
		"https://notwithin.example.com2": "proxy.example.com:3128",
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
	if proxy := proxyFor(config.Proxy{}, &url.URL{Scheme: "https", Host: "r.example.com"}); proxy != nil {
		t.Errorf("without settings: %s", proxy)
	}
}
