package host

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"time"
)

// The ways in which QEMU can run a machine.
const (
	KVM      = "kvm"
	Emulated = "tcg"
)

// stockKernel is how long a kernel may take to its first line with KVM.
const stockKernel = 20 * time.Second

// Accelerator finds out how machines can be run here: with KVM, or else emulated.
// That /dev/kvm is there proves nothing: in some virtual machines it serves only
// kernels that know of it. So a stock kernel is started.
func Accelerator(ctx context.Context, place string) string {
	ctx, cancel := context.WithTimeout(ctx, stockKernel)
	defer cancel()
	q := exec.CommandContext(ctx, "qemu-system-x86_64", append(accelerated(KVM),
		"-m", "512", "-display", "none", "-serial", "stdio", "-no-reboot", "-net", "none", "-no-user-config",
		"-kernel", filepath.Join(place, "vmlinuz"), "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1")...)
	found := &watched{text: []byte("Linux version"), found: cancel}
	q.Stdout = found
	_ = q.Run()
	if found.seen {
		return KVM
	}
	return Emulated
}

// accelerated are QEMU's arguments for one of them. An emulated processor is an old
// one with what ciphers need: QEMU 7.2 computes wrongly for some features of the
// newest, so that /proc/mounts had other names than those of the mount points. Code
// that is translated has as much room as QEMU takes; with half of it, all was thrown
// away every minute.
func accelerated(by string) []string {
	if by == KVM {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	return []string{"-accel", "tcg,thread=multi,tb-size=2048", "-cpu", "Nehalem,+aes,+pclmulqdq,+rdrand,+popcnt"}
}

// watched calls found when a text has been written to it.
type watched struct {
	text  []byte
	found func()
	seen  bool
	all   []byte
}

func (w *watched) Write(p []byte) (int, error) {
	w.all = append(w.all, p...)
	if !w.seen && bytes.Contains(w.all, w.text) {
		w.seen = true
		w.found()
	}
	return len(p), nil
}
