package wary

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func ask(t *testing.T, answer http.HandlerFunc) (int, http.Header, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c := Client(nil, 5*time.Second)
	defer c.CloseIdleConnections()
	return Ask(t.Context(), c, server.URL)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		status, _, err := ask(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, code) })
		if err != nil || status != code || followed {
			t.Errorf("status %d (%v), followed %t", status, err, followed)
		}
	}
}

func TestNoProxyOfTheEnvironmentIsAsked(t *testing.T) {
	if proxy := Client(nil, time.Second).Transport.(*http.Transport).Proxy; proxy != nil {
		t.Error("there is one")
	}
}

func TestCookiesDoNotComeBack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Error("a cookie came back")
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
	}))
	defer server.Close()
	c := Client(nil, 5*time.Second)
	defer c.CloseIdleConnections()
	for range 2 {
		if _, _, err := Ask(t.Context(), c, server.URL); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALongHeaderIsAFault(t *testing.T) {
	_, _, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", strings.Repeat("x", 2*maxHeader))
	})
	if err == nil {
		t.Error("it was read")
	}
}

func TestABodyWithoutAnEndKeepsNobody(t *testing.T) {
	status, _, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	if err != nil || status != http.StatusOK {
		t.Errorf("status %d (%v)", status, err)
	}
}

func TestWhatIsReadHasABound(t *testing.T) {
	if b, err := io.ReadAll(Reader(strings.NewReader("12345"), 6)); err != nil || string(b) != "12345" {
		t.Errorf("read %q (%v)", b, err)
	}
	if b, err := io.ReadAll(Reader(strings.NewReader("1234567"), 6)); !errors.Is(err, ErrTooMuch) || string(b) != "123456" {
		t.Errorf("read %q (%v)", b, err)
	}
	b := Buffer{Most: 6}
	for _, piece := range []string{"123", "4567", "89"} {
		if n, err := b.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if b.String() != "123456" {
		t.Errorf("held is %q", b.String())
	}
}

func TestAVersionIsDigitsDotsAndASuffix(t *testing.T) {
	for _, v := range []string{"28.1.1", "20.10.24+dfsg1", "17.09.0-ce", "29.0.0-rc.1", "26.1.5+dfsg1-9+b9", "28"} {
		if got := Version(v); got != v {
			t.Errorf("%q is taken for %q", v, got)
		}
	}
	for _, v := range []string{
		"", "dev", "x28", "28.1.1 ", "28..1", "28.", "28.1.1\n", "28.1.1-RC", "28\x1b[31m", "28.1.1-" + strings.Repeat("1", maxVersion),
		"root:x:0:0", "28.1/../..", "２８",
	} {
		if got := Version(v); got != "" {
			t.Errorf("%q is taken for %q", v, got)
		}
	}
}
