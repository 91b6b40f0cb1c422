package host

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// qemu answers QEMU's protocol for commands. It takes a connection for each answer, and sends
// an event before the answer.
func qemu(t *testing.T, answers ...string) (m *Machine, asked func() string) {
	t.Helper()
	m = &Machine{dir: t.TempDir()}
	l, err := net.Listen("unix", filepath.Join(m.dir, "qmp"))
	if err != nil {
		t.Fatal(err)
	}
	lines, done := new(strings.Builder), make(chan struct{})
	go func() {
		defer close(done)
		for _, answer := range answers {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintln(conn, `{"QMP": {"version": {}}}`)
			in := bufio.NewScanner(conn)
			for n := 0; n < 2 && in.Scan(); n++ {
				fmt.Fprintln(lines, in.Text())
				if n == 0 {
					fmt.Fprintln(conn, `{"return": {}}`)
				} else {
					fmt.Fprintln(conn, `{"event": "RESET"}`+"\n"+answer)
				}
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return m, func() string {
		<-done
		return lines.String()
	}
}

func TestAMachineIsReset(t *testing.T) {
	m, asked := qemu(t, `{"return": {}}`)
	if err := m.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := asked(), "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"system_reset\"}\n"; got != want {
		t.Errorf("qemu was asked %s", got)
	}
}

func TestWhatTheMonitorSaysIsAFault(t *testing.T) {
	m, asked := qemu(t, `{"return": ""}`, `{"return": "Error: no room\r\n"}`, `{"error": {"class": "GenericError", "desc": "not now"}}`)
	if err := m.Save(t.Context(), "ready"); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"qemu: savevm ready: Error: no room", "qemu refuses human-monitor-command: not now"} {
		if err := m.Save(t.Context(), "ready"); err == nil || err.Error() != want {
			t.Errorf("saving says %v, want %s", err, want)
		}
	}
	if got := asked(); strings.Count(got, `"arguments":{"command-line":"savevm ready"}`) != 3 {
		t.Errorf("qemu was asked %s", got)
	}
}

func TestAKernelsFirstLineIsSeenInPieces(t *testing.T) {
	calls := 0
	w := &watched{text: []byte("Linux version"), found: func() { calls++ }}
	for _, part := range []string{"Booting\nLinux ver", "sion 6.12", " Linux version"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if !w.seen || calls != 1 {
		t.Errorf("seen %v, called %d times", w.seen, calls)
	}
}
