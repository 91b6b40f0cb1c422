// Probe tries known ways out of a container and says which are open. It is harmless. It opens
// for reading, opens for writing without a write, or writes unchanged content back. It
// triggers, loads, mounts and breaks nothing.
//
//	probe ways [-disk MAJOR:MINOR] [-handle TYPE:HEX] [-daemon ADDR] [-engine ID] [-init NAMESPACE]
//	probe tls ADDR...    asks docker daemons for their version without a certificate
//	probe dial ADDR...   opens TCP connections
//	probe freeze PATH... makes files immutable, as chattr +i does
//	probe stick PATH...  makes files append-only, as chattr +a does
//	probe hold PATH...   opens files for writing, and keeps them open until stdin ends
//
// Probe prints a line for each way, "probe: NAME: open" or "probe: NAME: refused (why)".
package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "error: no command given")
		os.Exit(2)
	}
	switch command, args := os.Args[1], os.Args[2:]; command {
	case "ways":
		ways(args)
	case "tls":
		for _, addr := range args {
			report("tls "+addr, ping(addr))
		}
	case "dial":
		for _, addr := range args {
			report("dial "+addr, dial(addr))
		}
	case "freeze":
		for _, path := range args {
			report("freeze "+path, setFlag(path, unix.STATX_ATTR_IMMUTABLE))
		}
	case "stick":
		for _, path := range args {
			report("stick "+path, setFlag(path, unix.STATX_ATTR_APPEND))
		}
	case "hold":
		for _, path := range args {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			report("hold "+path, err)
			if err == nil {
				defer f.Close()
			}
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
	default:
		fmt.Fprintln(os.Stderr, "error: unknown command", command)
		os.Exit(2)
	}
}

// setFlag sets a flag of a file. The flag is a bit in statx's form, which is the same for the
// kernel's ioctl.
func setFlag(path string, flag uint32) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags|flag))
}

func report(name string, err error) {
	if err == nil {
		fmt.Printf("probe: %s: open\n", name)
		return
	}
	fmt.Printf("probe: %s: refused (%v)\n", name, err)
}

// ways tries each way once. The flags carry facts that only the host knows.
func ways(args []string) {
	f := flag.NewFlagSet("ways", flag.ExitOnError)
	disk := f.String("disk", "", "the host's root disk, major:minor")
	handle := f.String("handle", "", "the file handle of a directory of the host, type:hex")
	daemon := f.String("daemon", "", "another sandbox's daemon, host:port")
	engine := f.String("engine", "", "the id of the host's engine")
	pids := f.String("init", "", "the host's pid namespace, as /proc/1/ns/pid names it")
	_ = f.Parse(args) // Parse exits on an error
	for _, w := range []struct {
		name string
		try  func() error
	}{
		{"the host's disk", func() error { return device(unix.S_IFBLK, *disk) }},
		{"the host's memory", func() error { return device(unix.S_IFCHR, "1:1") }},
		{"the host's kernel log", func() error { return device(unix.S_IFCHR, "1:11") }},
		{"the host's files by handle", func() error { return byHandle(*handle) }},
		{"core_pattern", func() error { return writeBack("/proc/sys/kernel/core_pattern") }},
		{"kernel.modprobe", func() error { return writeBack("/proc/sys/kernel/modprobe") }},
		{"kernel.panic", func() error { return writeBack("/proc/sys/kernel/panic") }},
		{"uevent_helper", func() error { return openToWrite("sys/kernel/uevent_helper") }},
		{"sysrq-trigger", func() error { return openToWrite("proc/sysrq-trigger") }},
		{"devices.allow", func() error { return openToWrite("sys/fs/cgroup/devices/devices.allow") }},
		{"release_agent", func() error { return openToWrite("sys/fs/cgroup/*/release_agent") }},
		{"kernel modules", loadNothing},
		{"the host's processes", func() error { return sees(*pids) }},
		{"the engine's socket", func() error { return engineAnswers(*engine) }},
		{"another sandbox's daemon", func() error { return dial(*daemon) }},
	} {
		report(w.name, w.try())
	}
}

// device makes a device node and opens it for reading. Of a disk it reads a block and forgets
// the block. Of other devices it reads nothing.
func device(kind uint32, number string) error {
	var major, minor uint32
	if _, err := fmt.Sscanf(number, "%d:%d", &major, &minor); err != nil {
		return fmt.Errorf("no device: %q", number)
	}
	node := filepath.Join(os.TempDir(), "probe-"+strings.ReplaceAll(number, ":", "-"))
	if err := unix.Mknod(node, kind|0o600, int(unix.Mkdev(major, minor))); err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	defer os.Remove(node)
	file, err := os.OpenFile(node, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return bare(err)
	}
	defer file.Close()
	if kind == unix.S_IFBLK {
		_, err = file.Read(make([]byte, 512))
		if errors.Is(err, io.EOF) { // an empty disk is a disk
			err = nil
		}
	}
	return bare(err)
}

// byHandle opens a directory of the host, for reading. It goes through any file in the sidecar
// from the same file system.
func byHandle(handle string) error {
	kind, digits, _ := strings.Cut(handle, ":")
	var number int32
	if _, err := fmt.Sscan(kind, &number); err != nil {
		return fmt.Errorf("no handle: %q", handle)
	}
	content, err := hex.DecodeString(digits)
	if err != nil {
		return err
	}
	result := error(unix.ENOENT)
	for _, root := range []string{"/host", ""} {
		for _, name := range []string{"/etc/hosts", "/etc/resolv.conf", "/etc/hostname"} {
			mount, err := os.Open(root + name)
			if err != nil {
				continue
			}
			fd, err := unix.OpenByHandleAt(int(mount.Fd()), unix.NewFileHandle(number, content), unix.O_RDONLY|unix.O_DIRECTORY)
			mount.Close()
			if err == nil {
				return unix.Close(fd)
			}
			result = err
		}
	}
	return result
}

// writeBack writes a sysctl's own value into it.
func writeBack(name string) error {
	value, err := os.ReadFile(name)
	if err != nil {
		return bare(err)
	}
	file, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return bare(err)
	}
	_, err = file.Write(value)
	return bare(errors.Join(err, file.Close()))
}

// openToWrite opens files of this container or of the sidecar for writing, and writes nothing.
func openToWrite(pattern string) error {
	result := error(unix.ENOENT)
	for _, root := range []string{"/", "/host/", "/proc/1/root/"} {
		names, _ := filepath.Glob(root + pattern) // the patterns are valid
		for _, name := range names {
			file, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err == nil {
				return file.Close()
			}
			result = bare(err)
		}
	}
	return result
}

// loadNothing asks the kernel to load an empty module. The kernel looks at the caller's rights
// before the module.
func loadNothing() error {
	err := unix.InitModule(nil, "")
	if errors.Is(err, unix.ENOEXEC) {
		return nil
	}
	return err
}

// sees tells whether the first visible process is the host's.
func sees(namespace string) error {
	mine, err := os.Readlink("/proc/1/ns/pid")
	if err != nil {
		return bare(err)
	}
	if mine != namespace {
		return errors.New("another namespace")
	}
	return nil
}

// engineAnswers looks for a socket behind which the host's engine answers.
func engineAnswers(id string) error {
	result := error(unix.ENOENT)
	for _, name := range []string{"/var/run/docker.sock", "/host/var/run/docker.sock", "/host/run/docker.sock", "/proc/1/root/run/docker.sock"} {
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", name)
		}}
		res, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("http://docker/info")
		if err != nil {
			continue
		}
		info, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if id != "" && strings.Contains(string(info), id) {
			return nil
		}
		result = errors.New("another engine")
	}
	return result
}

// dialTimeout is long for a neighbour on the same host.
const dialTimeout = time.Second

func dial(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return err
	}
	return conn.Close()
}

// ping asks a docker daemon over TLS, and shows no certificate.
func ping(addr string) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the daemon must mind, not we
	res, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + addr + "/version")
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// bare leaves the path out of an error, so that lines are the same everywhere.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
