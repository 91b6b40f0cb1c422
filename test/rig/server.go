package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// server is an HTTP server on an address of this machine.
type server struct {
	http   *http.Server
	addr   string
	served chan error // the server's end
}

// serve starts a server at an address and a port of the system's choice.
func serve(ctx context.Context, addr string, handler http.Handler) (*server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort(addr, "0"))
	if err != nil {
		return nil, fmt.Errorf("%w\nhint: does the engine run on this machine?", err)
	}
	return serveOn(listener, handler), nil
}

// serveOn is serve with a listener, which is closed with the server.
func serveOn(listener net.Listener, handler http.Handler) *server {
	s := &server{
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          log.New(io.Discard, "", 0),
		},
		addr:   listener.Addr().String(),
		served: make(chan error, 1),
	}
	go func() { s.served <- s.http.Serve(listener) }()
	return s
}

// close ends the server, after at most 5 s for requests being served.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	if err := s.http.Shutdown(ctx); err != nil {
		errs = append(errs, s.http.Close())
	}
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
