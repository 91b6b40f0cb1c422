package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is the whole machine's use meanwhile, by any program. cpu counts seconds of its
// processors. memory is the greatest growth of used memory, in MiB. written counts MiB written
// to files.
type usage struct{ cpu, memory, written float64 }

const (
	// memoryEvery is the time between two looks at the memory.
	memoryEvery = 50 * time.Millisecond
	// userHZ is the number of /proc/stat's ticks in a second, on all architectures of Docker.
	userHZ = 100
	mib    = 1 << 20
)

// measured runs f and returns the machine's use meanwhile.
func measured(f func() error) (usage, error) {
	before, err := readCounters()
	if err != nil {
		return usage{}, err
	}
	end, least := make(chan struct{}), make(chan float64)
	go func() {
		looks := time.NewTicker(memoryEvery)
		defer looks.Stop()
		free := before.free
		for {
			select {
			case <-looks.C:
				if now, err := freeMemory(); err == nil {
					free = min(free, now)
				}
			case <-end:
				least <- free
				return
			}
		}
	}()
	err = f()
	close(end)
	free := <-least
	after, readErr := readCounters()
	if err := errors.Join(err, readErr); err != nil {
		return usage{}, err
	}
	return usage{
		cpu: after.cpu - before.cpu, memory: before.free - min(free, after.free), written: after.written - before.written,
	}, nil
}

// counters are the kernel's counters: seconds of the processors, and MiB.
type counters struct{ cpu, written, free float64 }

func readCounters() (c counters, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return c, err
	}
	if c.cpu, err = busySeconds(string(stat)); err != nil {
		return c, err
	}
	if c.written, err = written(); err != nil {
		return c, err
	}
	c.free, err = freeMemory()
	return c, err
}

// busySeconds reads the first line of /proc/stat. It leaves out time idle, waiting for a disk,
// or stolen by another machine. Time of guests is part of the time of users.
func busySeconds(stat string) (float64, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	sum := 0.0
	for _, i := range []int{1, 2, 3, 6, 7} { // user, nice, system, irq, softirq
		ticks, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += ticks
	}
	return sum / userHZ, nil
}

// written are the MiB that programs have written to files, whether or not they have reached a
// disk. A file that is removed soon never does.
func written() (float64, error) {
	pages, err := counter("/proc/vmstat", "nr_dirtied")
	return pages * float64(os.Getpagesize()) / mib, err
}

// freeMemory are the MiB that programs could have without swapping.
func freeMemory() (float64, error) {
	kib, err := counter("/proc/meminfo", "MemAvailable:")
	return kib / 1024, err
}

// counter is the number behind a word at the beginning of a line.
func counter(file, word string) (float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == word {
			return strconv.ParseFloat(fields[1], 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s: %w", file, word, fs.ErrNotExist)
}
