package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/hostfile"
	"gitlab-dind-executor/wary"
)

// exportBound bounds the sending of a call's spans: a hook waits for the end.
const exportBound = 1500 * time.Millisecond

// Collector sends spans by OTLP over HTTP.
type Collector struct {
	url      string
	headers  http.Header
	bound    time.Duration
	ca       string
	resource map[string]string
}

// NewCollector reads OpenTelemetry's own variables, and uses endpoint where they name none.
// nil means: nobody wants spans.
func NewCollector(env func(string) string, endpoint string) (*Collector, error) {
	of := func(name string) string {
		return cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_"+name), env("OTEL_EXPORTER_OTLP_"+name))
	}
	base := cmp.Or(env("OTEL_EXPORTER_OTLP_ENDPOINT"), endpoint)
	target := env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") // used unchanged
	if target == "" && base != "" {
		target = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	disabled, _ := strconv.ParseBool(env("OTEL_SDK_DISABLED"))
	if target == "" || disabled || env("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	if p := of("PROTOCOL"); p != "" && p != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q, and only http/protobuf is spoken", p)
	}
	if u, err := url.Parse(target); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is no URL like http://127.0.0.1:4318")
	}
	c := &Collector{url: target, headers: http.Header{}, bound: exportBound, ca: of("CERTIFICATE"), resource: pairs(env("OTEL_RESOURCE_ATTRIBUTES"))}
	c.resource["service.name"] = cmp.Or(env("OTEL_SERVICE_NAME"), c.resource["service.name"], "gitlab-dind-executor")
	for key, value := range pairs(of("HEADERS")) {
		c.headers.Set(key, value)
	}
	if ms, err := strconv.Atoi(of("TIMEOUT")); err == nil && ms > 0 {
		c.bound = min(c.bound, time.Duration(ms)*time.Millisecond)
	}
	return c, nil
}

// pairs reads key=value,… with values encoded as in URLs.
func pairs(list string) map[string]string {
	m := map[string]string{}
	for pair := range strings.SplitSeq(list, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if decoded, err := url.PathUnescape(strings.TrimSpace(value)); ok && err == nil && strings.TrimSpace(key) != "" {
			m[strings.TrimSpace(key)] = decoded
		}
	}
	return m
}

// maxCA bounds the file with the CAs of a collector, in bytes; all public CAs have 220 KB.
const maxCA = 4 << 20

// send posts a request once, without a second try: a job waits.
func (c *Collector) send(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.bound)
	defer cancel()
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		pem, err := hostfile.ReadNamed(c.ca, maxCA)
		if err != nil {
			return fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE names a file without a certificate")
		}
	}
	// A redirect would take the headers, with a token, elsewhere.
	client := wary.Client(tlsConfig, c.bound)
	defer client.CloseIdleConnections()
	client.Transport.(*http.Transport).Proxy = http.ProxyFromEnvironment // the proxy is the admin's, as the collector is
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = c.headers.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", resp.Status)
	}
	return nil
}
