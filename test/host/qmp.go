package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
)

// command gives QEMU a command of its machine protocol, QMP, and returns the answer.
func (m *Machine) command(ctx context.Context, name string, arguments any) (json.RawMessage, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", m.file("qmp"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	type request struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}
	var greeting struct{ QMP json.RawMessage }
	if err := in.Decode(&greeting); err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	var answer json.RawMessage
	for _, r := range []request{{"qmp_capabilities", nil}, {name, arguments}} {
		if err := out.Encode(r); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		for answer = nil; answer == nil; { // events come between
			var said struct {
				Return json.RawMessage `json:"return"`
				Error  *struct {
					Desc string `json:"desc"`
				} `json:"error"`
			}
			if err := in.Decode(&said); err != nil {
				return nil, errors.Join(err, ctx.Err())
			}
			if said.Error != nil {
				return nil, fmt.Errorf("qemu refuses %s: %s", r.Execute, said.Error.Desc)
			}
			answer = said.Return
		}
	}
	return answer, nil
}

// monitor gives a command of the monitor for people. The monitor answers only failures.
func (m *Machine) monitor(ctx context.Context, line string) error {
	answer, err := m.command(ctx, "human-monitor-command", map[string]string{"command-line": line})
	if err != nil {
		return err
	}
	var said string
	if err := json.Unmarshal(answer, &said); err != nil {
		return err
	}
	if said = strings.TrimSpace(said); said != "" {
		return fmt.Errorf("qemu: %s: %s", line, said)
	}
	return nil
}

// Save keeps the machine's present state, memory and disks, under a name.
func (m *Machine) Save(ctx context.Context, name string) error {
	m.hangUp()
	return m.monitor(ctx, "savevm "+name)
}

// Restore turns the machine off, on again in a saved state, and logs in. Without the new
// QEMU, clocks of the restored state differ, since QEMU's clock of an emulated processor
// never goes back.
func (m *Machine) Restore(ctx context.Context, name string) error {
	m.hangUp()
	if _, err := m.command(ctx, "quit", nil); err != nil {
		return err
	}
	select {
	case <-m.ended:
	case <-ctx.Done():
		return fmt.Errorf("qemu does not end: %w", ctx.Err())
	}
	if err := m.turnOn(name); err != nil {
		return err
	}
	return m.Login(ctx)
}

// Reset is the button on the machine's front. Nothing in the machine has a chance to end.
func (m *Machine) Reset(ctx context.Context) error {
	m.hangUp()
	_, err := m.command(ctx, "system_reset", nil)
	return err
}
