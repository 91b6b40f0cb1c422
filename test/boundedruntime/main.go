// Boundedruntime is an OCI runtime for machines with an incomplete capability bounding set,
// such as many virtual development machines. There runc refuses to create a --privileged
// container, because nobody can have all capabilities of the bundle. This program first takes
// the missing capabilities out of the bundle's config.json, and for exec out of the file after
// --process. Then the program becomes runc. It is for development only; scripts/engine installs
// it where needed.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// names holds the capabilities in the order of the kernel's numbers.
var names = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
	"CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
	"CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
}

// switches are runc's global flags without a value.
var switches = []string{"debug", "systemd-cgroup", "help", "h", "version", "v"}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "boundedruntime:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if file, isProcess := specFile(args); file != "" {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return err
		}
		missing, err := missingCapabilities(string(status))
		if err != nil {
			return err
		}
		if err := dropFromFile(file, isProcess, missing); err != nil {
			return fmt.Errorf("dropping capabilities in %s: %w", file, err)
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		runc = "/usr/sbin/runc" // Debian's place; the shim's PATH may lack it
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}

// specFile returns the file with the capabilities that the command asks for. isProcess says
// whether the file is a process instead of a whole config.json. For a command without
// capabilities file is empty.
func specFile(args []string) (file string, isProcess bool) {
	command, rest := split(args)
	switch command {
	case "create", "run", "restore":
		bundle := flagValue(rest, "bundle", "b")
		return filepath.Join(bundle, "config.json"), false
	case "exec":
		return flagValue(rest, "process", "p"), true
	}
	return "", false
}

// split finds the command behind runc's global flags.
func split(args []string) (command string, rest []string) {
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			return args[i], args[i+1:]
		}
		name := strings.TrimLeft(args[i], "-")
		if !strings.Contains(name, "=") && !slices.Contains(switches, name) {
			i++
		}
	}
	return "", nil
}

func flagValue(args []string, long, short string) string {
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if name != long && name != short {
			continue
		}
		if ok {
			return value
		}
		if i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

func missingCapabilities(status string) ([]string, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "CapBnd:")
		if !ok {
			continue
		}
		bounding, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return nil, err
		}
		var missing []string
		for number, name := range names {
			if bounding&(1<<number) == 0 {
				missing = append(missing, name)
			}
		}
		return missing, nil
	}
	return nil, errors.New("/proc/self/status has no CapBnd")
}

func dropFromFile(file string, isProcess bool, missing []string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if isProcess {
		data, err = dropFromProcess(data, missing)
	} else {
		data, err = edit(data, "process", func(process json.RawMessage) (json.RawMessage, error) {
			return dropFromProcess(process, missing)
		})
	}
	if err != nil {
		return err
	}
	// The rename keeps readers from half a file.
	temporary := file + ".bounded"
	if err := os.WriteFile(temporary, data, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

func dropFromProcess(process []byte, missing []string) ([]byte, error) {
	return edit(process, "capabilities", func(raw json.RawMessage) (json.RawMessage, error) {
		var sets map[string][]string
		if err := json.Unmarshal(raw, &sets); err != nil {
			return nil, err
		}
		for key, set := range sets {
			sets[key] = slices.DeleteFunc(set, func(name string) bool {
				return slices.Contains(missing, name)
			})
		}
		return json.Marshal(sets)
	})
}

// edit replaces a member of a JSON object and leaves the others unchanged.
func edit(object []byte, key string, change func(json.RawMessage) (json.RawMessage, error)) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	member, ok := members[key]
	if !ok || string(member) == "null" {
		return object, nil
	}
	changed, err := change(member)
	if err != nil {
		return nil, err
	}
	members[key] = changed
	return json.Marshal(members)
}
