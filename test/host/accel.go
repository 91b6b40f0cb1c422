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

// stockKernel is a kernel's time with KVM until its first line.
const stockKernel = 20 * time.Second

// Accelerator finds out how machines can run here: with KVM, or else emulated. An existing
// /dev/kvm proves nothing, because in some virtual machines it serves only kernels made for it.
// So Accelerator starts a stock kernel.
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

// accelerated are QEMU's arguments for a way. An emulated processor is an old model with the
// features for ciphers. For some features of newer models QEMU 7.2 computes wrongly:
// /proc/mounts had other names than the mount points. Translated code has as much room as QEMU
// allows. With half the room, QEMU threw all of the code away every minute.
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
