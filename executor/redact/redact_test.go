package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

const testKey = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5GkMmjPvSpkYHoAoGCCqGSM49\nAwEHoUQDQgAEnpF8cr+GlS5iOG3kfQ==\n-----END EC PRIVATE KEY-----\n"

func TestShortSecretsStay(t *testing.T) {
	r := New([]string{"abc", "secret-token", "registry-password", "resolved-by-the-runner"})
	if got := r.redact("GET /builds/group/app?t=secret-token registry-password resolved-by-the-runner abc public value"); got != "GET /builds/group/app?t=[hidden] [hidden] [hidden] abc public value" {
		t.Errorf("redacted: %s", got)
	}
}

func TestOverlappingSecretsAreHiddenAsAWhole(t *testing.T) {
	r := New([]string{"secret", "secret-and-more", "and-more-of-it"})
	for text, want := range map[string]string{
		"x secret-and-more y": "x [hidden] y", "x secret-and-more-of-it y": "x [hidden] y", "secretsecret": "[hidden][hidden]", "": "", "secre": "secre",
		"größer secret": "größer [hidden]",
	} {
		if got := r.redact(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// A log has lines, and programs print secrets in many ways.
func TestASecretIsHiddenInEveryFormThatALogMayHoldItIn(t *testing.T) {
	asJSON := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	docker := `{"auths": {"r.example.com": {"auth": "` + base64.StdEncoding.EncodeToString([]byte("someone:deep-password")) + `"}, "other": {"password": "plain-in-json"}}}`
	for name, c := range map[string]struct{ secret, text, left string }{
		"as it is":                       {"p<ss&w/rd=1", "login with p<ss&w/rd=1", "p<ss"},
		"in JSON":                        {`quo"ted\value`, `{"password":` + asJSON(`quo"ted\value`) + `}`, `ted\\value`},
		"in JSON, for HTML":              {"p<ss&word", asJSON("p<ss&word"), "u003css"},
		"in dockerd's log":               {testKey, "level=error msg=" + strconv.Quote(testKey), "MHcCAQ"},
		"the second line of a key":       {testKey, "MHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5GkMmjPvSpkYHoAoGCCqGSM49", "MHcCAQ"},
		"its third":                      {testKey, "+ AwEHoUQDQgAEnpF8cr+GlS5iOG3kfQ==", "AwEHo"},
		"with other ends of lines":       {strings.ReplaceAll(testKey, "\n", "\r\n"), "AwEHoUQDQgAEnpF8cr+GlS5iOG3kfQ==\r", "AwEHo"},
		"in a query":                     {"a b/c=d&e", "?token=" + url.QueryEscape("a b/c=d&e"), "c%3Dd"},
		"in a query, in small letters":   {"a b/c=d&e", "?token=" + strings.ToLower(url.QueryEscape("a b/c=d&e")), "c%3dd"},
		"in a path":                      {"a b/c=d&e", "/x/" + url.PathEscape("a b/c=d&e"), "c=d"},
		"in base64":                      {"registry-password", base64.StdEncoding.EncodeToString([]byte("registry-password")), "cmVnaXN0cnkt"},
		"behind a user in base64":        {"registry-password", "Basic " + base64.StdEncoding.EncodeToString([]byte("u:registry-password")), "yZWdpc3RyeS1wYXN"},
		"behind another user in base64":  {"registry-password", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:registry-password")), "cmVnaXN0cnkt"},
		"in base64 for URLs":             {"\xfb\xff\xbe-????>>>>", base64.URLEncoding.EncodeToString([]byte("\xfb\xff\xbe-????>>>>")), "-_--"},
		"in a docker configuration":      {docker, "for user someone with deep-password", "deep-password"},
		"its auth":                       {docker, "auth " + base64.StdEncoding.EncodeToString([]byte("someone:deep-password")), "c29tZW9uZ"},
		"a password in it":               {docker, "plain-in-json", "plain-in"},
		"with a colour in its middle":    {"secret-token", "secret\x1b[31m-token", "token"},
		"with bytes that are no text":    {"secret\xfftoken", "a secret\ufffdtoken", "token"},
		"with a space at its end":        {"secret-token \n", "secret-token.", "secret"},
		"a line of it in a longer one":   {testKey, "cat: MHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5GkMmjPvSpkYHoAoGCCqGSM49: no", "MHcCAQ"},
		"a short line is told from text": {"docker\nsecond-line", "second-line", "second"},
	} {
		t.Run(name, func(t *testing.T) {
			got := New([]string{c.secret}).Others(c.text)
			if strings.Contains(got, c.left) || !strings.Contains(got, hidden) {
				t.Errorf("%q becomes %q", c.text, got)
			}
		})
	}
	if got := New([]string{"docker\nsecond-line"}).Others("docker is ready"); got != "docker is ready" {
		t.Errorf("an ordinary word is hidden: %q", got)
	}
}

// FuzzRedact checks that no secret is left, whatever the secret and its place.
func FuzzRedact(f *testing.F) {
	f.Add("secret-token", "a", "b")
	f.Add(testKey, "\"", "\\")
	f.Add("aaaaaaaaaaaa", "aaa", "aa")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < shortest {
			return // Redactor looks for nothing so short
		}
		r := New([]string{secret})
		for _, form := range append(formsOf(secret), secret) {
			if len(form) >= shortest && strings.Contains(r.redact(before+form+after), form) && !strings.Contains(before+hidden+after, form) {
				t.Fatalf("%q of %q is left", form, secret)
			}
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	var secrets []string
	for i := range 200 {
		secrets = append(secrets, strconv.Itoa(i)+testKey)
	}
	line := strings.Repeat("time=2026 level=info msg=something ", 20)
	for b.Loop() {
		r := New(secrets)
		for range 200 {
			r.Others(line)
		}
	}
}
