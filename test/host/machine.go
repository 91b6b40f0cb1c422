package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Gateway is the address at which a machine reaches this host's loopback.
const Gateway = "10.0.2.2"

// Machine is a running virtual machine.
type Machine struct {
	// Slower is the machine's slowness as a factor, 1 for an ordinary machine. It is measured
	// after the boot, and at least 1.
	Slower float64

	dir    string
	args   []string // of QEMU, but for a saved state
	qemu   *exec.Cmd
	ended  chan struct{} // closed when QEMU has ended
	ssh    string        // where its SSH server is reached
	signer ssh.Signer
	client *ssh.Client
}

// Options describe a machine.
type Options struct {
	// Place is the output of scripts/hosts: the folder of the disks, the kernel and the key.
	Place string
	// Dir takes disks, sockets and the console's log. It must be empty. Its name must be short,
	// for the sockets.
	Dir string
	// Seed is the URL below which cloud-init finds user-data and meta-data.
	Seed string
	// Accel is the result of Accelerator.
	Accel string
	// Saved is the name of a state in Dir's disks to go on from, or "".
	Saved string
}

// Start makes a machine and lets it boot. Its disks are overlays, so that the disks of
// scripts/hosts stay unchanged. The caller closes the machine.
func Start(ctx context.Context, o Options) (*Machine, error) {
	m := &Machine{Slower: 1, dir: o.Dir}
	key, err := os.ReadFile(filepath.Join(o.Place, "key"))
	if err != nil {
		return nil, err
	}
	if m.signer, err = ssh.ParsePrivateKey(key); err != nil {
		return nil, err
	}
	for _, disk := range []string{"root", "docker"} {
		if o.Saved != "" {
			break
		}
		base, err := filepath.EvalSymlinks(filepath.Join(o.Place, disk+".raw"))
		if err != nil {
			return nil, err
		}
		made := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", m.file(disk+".qcow2"))
		if out, err := made.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("qemu-img: %w: %s", err, out)
		}
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	m.ssh = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	m.args = m.argumentsOf(o, port)
	return m, m.turnOn(o.Saved)
}

// turnOn starts QEMU with the machine in a saved state, or at its boot for "".
func (m *Machine) turnOn(saved string) error {
	log, err := os.Create(m.file("qemu.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	args := m.args
	if saved != "" {
		args = append(slices.Clone(args), "-loadvm", saved)
	}
	m.qemu = exec.Command("qemu-system-x86_64", args...)
	m.qemu.Stdout, m.qemu.Stderr = log, log
	if err := m.qemu.Start(); err != nil {
		return err
	}
	qemu, ended := m.qemu, make(chan struct{})
	m.ended = ended
	go func() {
		_ = qemu.Wait()
		close(ended)
	}()
	return nil
}

// file is the path of a machine's file on this host.
func (m *Machine) file(name string) string { return filepath.Join(m.dir, name) }

func (m *Machine) argumentsOf(o Options, port int) []string {
	drive := func(name string) string {
		return "if=virtio,cache=unsafe,discard=unmap,file=" + m.file(name+".qcow2")
	}
	kernel := "root=/dev/vda rw console=ttyS0 quiet"
	if o.Accel == Emulated {
		// The mitigations guard against a real processor's faults. QEMU finds translated code
		// again by its address. So QEMU translates a program with a random address anew at each
		// start, which is more than half of the start's cost. Units and devices take longer
		// than systemd's usual bounds. A kernel that distrusts its clock patches its own code,
		// and QEMU may run half of the patch.
		kernel += " mitigations=off norandmaps tsc=reliable systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900"
	}
	return append(accelerated(o.Accel),
		"-smp", "2", "-m", "3072", "-display", "none", "-no-user-config",
		"-kernel", filepath.Join(o.Place, "vmlinuz"), "-initrd", filepath.Join(o.Place, "initrd"),
		"-append", kernel,
		"-drive", drive("root"), "-drive", drive("docker"),
		"-netdev", fmt.Sprintf("user,id=net,hostfwd=tcp:127.0.0.1:%d-:22", port), "-device", "virtio-net,netdev=net",
		"-device", "virtio-rng",
		"-smbios", "type=1,serial=ds=nocloud;s="+o.Seed,
		"-serial", "file:"+m.file("console.log"),
		"-qmp", "unix:"+m.file("qmp")+",server=on,wait=off",
	)
}

// freePort is a free port of this host.
func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Close ends the machine at once.
func (m *Machine) Close() error {
	m.hangUp()
	select {
	case <-m.ended:
		return nil
	default:
	}
	err := m.qemu.Process.Kill()
	<-m.ended
	return err
}

// Console is the output on the machine's first serial port.
func (m *Machine) Console() string {
	b, _ := os.ReadFile(m.file("console.log"))
	said, _ := os.ReadFile(m.file("qemu.log"))
	return string(b) + string(said)
}

func (m *Machine) hangUp() {
	if m.client != nil {
		m.client.Close()
		m.client = nil
	}
}

// Login waits until root can log in.
func (m *Machine) Login(ctx context.Context) error {
	m.hangUp()
	for {
		client, err := m.dial(ctx)
		if err == nil {
			m.client = client
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody can log in: %w (%w)", err, ctx.Err())
		case <-m.ended:
			return fmt.Errorf("qemu has ended: %s", m.Console())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// dial opens a connection. While a machine boots, QEMU accepts the connection and nobody
// answers.
func (m *Machine) dial(ctx context.Context) (*ssh.Client, error) {
	bound := time.Minute
	conn, err := (&net.Dialer{Timeout: bound}).DialContext(ctx, "tcp4", m.ssh)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(bound))
	c, channels, requests, err := ssh.NewClientConn(conn, m.ssh, &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(m.signer)},
		// The server is on this host's loopback, and its key is made by its first boot.
		HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// Run lets bash run commands as root, up to the first failure, and returns their output.
func (m *Machine) Run(ctx context.Context, commands string) (string, error) {
	if m.client == nil {
		if err := m.Login(ctx); err != nil {
			return "", err
		}
	}
	s, err := m.client.NewSession()
	if err != nil {
		m.hangUp()
		return "", err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, m.hangUp) // a session may not end by itself
	defer stop()
	var out output
	s.Stdout, s.Stderr = &out, &out
	// The commands are an argument. On standard input a program among them would read the
	// following commands.
	err = s.Run("exec bash -euo pipefail -c '" + strings.ReplaceAll(commands, "'", `'\''`) + "'")
	return strings.TrimRight(out.String(), "\n"), errors.Join(err, ctx.Err())
}

// output is a session's output on both streams, which two goroutines write.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// ordinary is the duration of Measure's commands on an ordinary machine.
const ordinary = 400 * time.Millisecond

// Measure sets Slower from the time that starting programs takes.
func (m *Machine) Measure(ctx context.Context) error {
	out, err := m.Run(ctx, `start=$(date +%s%N); for ((n = 0; n < 200; n++)); do /bin/true; done; echo $(($(date +%s%N) - start))`)
	if err != nil {
		return err
	}
	took, err := strconv.ParseInt(out, 10, 64)
	if err != nil {
		return fmt.Errorf("measuring the machine: it says %q", out)
	}
	m.Slower = max(1, float64(took)/float64(ordinary))
	return err
}
