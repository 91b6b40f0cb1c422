package config

import "net/url"

// Trace is about spans for a collector of OpenTelemetry's.
type Trace struct {
	// Endpoint is the collector's base URL. OTEL_EXPORTER_OTLP_ENDPOINT wins over Endpoint.
	// With both empty, no spans are sent.
	Endpoint string `toml:"endpoint"`
}

func validateTrace(t Trace, f *faults) {
	u, err := url.Parse(t.Endpoint)
	if t.Endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		f.add("trace.endpoint", `must be a URL like "http://127.0.0.1:4318", without user and query`)
	}
}
