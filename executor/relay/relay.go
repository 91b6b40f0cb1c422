package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// answerBound bounds a question. Docker's own resolver gives up sooner.
	answerBound = 10 * time.Second
	// maxQuestions bounds the open questions, by UDP and TCP together. Others wait until a
	// question has ended, and the kernel drops questions without room meanwhile.
	maxQuestions = 256
	// maxDatagram is the size of the largest datagram, in bytes.
	maxDatagram = 64 << 10
)

// Serve hands questions from an address on to upstream, until ctx ends. Both addresses are
// host:port, and Serve takes UDP and TCP. An error means: Serve cannot listen, or no longer
// can.
func Serve(ctx context.Context, address, upstream string) error {
	var config net.ListenConfig
	packets, err := config.ListenPacket(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("listening for questions: %w", err)
	}
	defer packets.Close()
	connections, err := config.Listen(ctx, "tcp", packets.LocalAddr().String())
	if err != nil {
		return fmt.Errorf("listening for questions: %w", err)
	}
	defer connections.Close()
	return serve(ctx, packets, connections, upstream)
}

// serve works with listening sockets, and closes them.
func serve(ctx context.Context, packets net.PacketConn, connections net.Listener, upstream string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		packets.Close()
		connections.Close()
	})()
	r := &relay{upstream: upstream, open: make(chan struct{}, maxQuestions)}
	ended := make(chan error, 2)
	go func() { ended <- r.datagrams(ctx, packets) }()
	go func() { ended <- r.connections(ctx, connections) }()
	err := <-ended
	stopped := ctx.Err() != nil
	cancel()
	err = errors.Join(err, <-ended)
	r.asked.Wait()
	if stopped {
		return nil
	}
	return err
}

// relay is the state of a running relay.
type relay struct {
	upstream string
	open     chan struct{}
	asked    sync.WaitGroup
}

// ask runs a question beside the others.
func (r *relay) ask(ctx context.Context, question func(context.Context)) {
	r.open <- struct{}{}
	r.asked.Go(func() {
		defer func() { <-r.open }()
		ctx, cancel := context.WithTimeout(ctx, answerBound)
		defer cancel()
		question(ctx)
	})
}

// datagrams hands each datagram on by a socket of its own, and hands an answer back.
func (r *relay) datagrams(ctx context.Context, in net.PacketConn) error {
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := in.ReadFrom(buffer)
		if err != nil {
			return fmt.Errorf("receiving questions: %w", err)
		}
		question := append([]byte(nil), buffer[:n]...)
		r.ask(ctx, func(ctx context.Context) {
			answer, err := r.exchange(ctx, question)
			if err == nil {
				_, _ = in.WriteTo(answer, from) // the client asks again
			}
		})
	}
}

// exchange sends a question and returns its answer.
func (r *relay) exchange(ctx context.Context, question []byte) ([]byte, error) {
	out, err := r.dial(ctx, "udp")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if _, err := out.Write(question); err != nil {
		return nil, err
	}
	answer := make([]byte, maxDatagram)
	n, err := out.Read(answer)
	return answer[:n], err
}

// connections hands on each connection.
func (r *relay) connections(ctx context.Context, in net.Listener) error {
	for {
		conn, err := in.Accept()
		if err != nil {
			return fmt.Errorf("receiving questions: %w", err)
		}
		r.ask(ctx, func(ctx context.Context) {
			defer conn.Close()
			out, err := r.dial(ctx, "tcp")
			if err != nil {
				return
			}
			defer out.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			r.asked.Go(func() {
				_, _ = io.Copy(out, conn)
				// A client may close its sending side and wait for the answer.
				_ = out.(*net.TCPConn).CloseWrite()
			})
			_, _ = io.Copy(conn, out)
		})
	}
}

// dial connects to the other server. The connection ends with ctx.
func (r *relay) dial(ctx context.Context, network string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, r.upstream)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return conn, conn.SetDeadline(deadline)
}
