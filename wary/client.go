package wary

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 16 << 10
	// dialTimeout bounds a dial where the caller's context does not.
	dialTimeout = 2 * time.Second
)

// Client asks one untrusted host. The client follows no redirect, has no cookies and no
// proxy, speaks HTTP/1.1 only, and bounds the header of an answer. The caller bounds the
// body: see Reader. timeout covers a whole answer; conf may be nil.
func Client(conf *tls.Config, timeout time.Duration) *http.Client {
	plainHTTP1 := new(http.Protocols)
	plainHTTP1.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // not even the environment's
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:        conf,
			Protocols:              plainHTTP1,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       timeout,
	}
}

// Ask sends one GET and returns the answer's status and header. Ask does not read the body.
func Ask(ctx context.Context, c *http.Client, url string) (status int, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header, nil
}
