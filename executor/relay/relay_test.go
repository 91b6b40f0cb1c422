package relay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// listen takes a port of this machine for both UDP and TCP.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		connections, err := net.Listen("tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, connections
		}
		packets.Close() // another program has the port for the other way
	}
	t.Fatal("no port is free for both ways")
	return nil, nil
}

// upstream is a server that answers each question with its bytes in reverse order. By TCP
// the answer comes after the end of the question.
func upstream(t *testing.T) string {
	t.Helper()
	packets, connections := listen(t)
	var served sync.WaitGroup
	served.Go(func() {
		b := make([]byte, maxDatagram)
		for {
			n, from, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(backwards(b[:n]), from)
		}
	})
	served.Go(func() {
		for {
			c, err := connections.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				question, err := io.ReadAll(c)
				if err == nil {
					_, _ = c.Write(backwards(question))
				}
			})
		}
	})
	t.Cleanup(func() {
		packets.Close()
		connections.Close()
		served.Wait()
	})
	return packets.LocalAddr().String()
}

func backwards(b []byte) []byte {
	out := bytes.Clone(b)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// start lets a relay serve until the test ends, and returns its address.
func start(t *testing.T, upstream string) string {
	t.Helper()
	packets, connections := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, packets, connections, upstream) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("a relay that was told to end says %v", err)
		}
	})
	return packets.LocalAddr().String()
}

// exchange sends a question and returns the answer.
func exchange(network, address string, question []byte) ([]byte, error) {
	c, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = c.SetDeadline(time.Now().Add(answerBound))
		if _, err := c.Write(question); err != nil {
			return nil, err
		}
		if err := tcp.CloseWrite(); err != nil {
			return nil, err
		}
		return io.ReadAll(tcp)
	}
	// The kernel may drop a datagram, and a client asks again.
	b := make([]byte, maxDatagram)
	for range 10 {
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err = c.Write(question); err != nil {
			continue
		}
		var n int
		if n, err = c.Read(b); err == nil {
			return b[:n], nil
		}
	}
	return nil, err
}

func TestQuestionsAndAnswersGoThrough(t *testing.T) {
	t.Parallel()
	address := start(t, upstream(t))
	var asked sync.WaitGroup
	for i := range 2 * maxQuestions {
		network := "udp"
		if i%4 == 0 {
			network = "tcp"
		}
		asked.Go(func() {
			question := fmt.Appendf(nil, "question %d", i)
			answer, err := exchange(network, address, question)
			if err != nil || !bytes.Equal(answer, backwards(question)) {
				t.Errorf("%s %q: answer %q, %v", network, question, answer, err)
			}
		})
	}
	asked.Wait()
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	if answer, err := exchange("tcp", address, long); err != nil || !bytes.Equal(answer, backwards(long)) {
		t.Errorf("a long question: %d bytes, %v", len(answer), err)
	}
}

// A dead server costs its own questions alone.
func TestAServerThatIsGoneIsNoEnd(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := gone.Addr().String()
	gone.Close()
	address := start(t, nobody)
	for range 3 {
		if answer, err := exchange("tcp", address, []byte("anybody?")); len(answer) > 0 {
			t.Errorf("answer %q, %v", answer, err)
		}
	}
}

func TestAnAddressThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := Serve(t.Context(), taken.LocalAddr().String(), "127.0.0.1:1"); err == nil {
		t.Error("no error")
	}
}
