// Package bounds says what a driver waits for at most, in one place, and has a pause
// that ends with its context.
package bounds

import (
	"context"
	"time"
)

// Bounds are what a driver waits for at most, and its pauses between two looks. They
// are fields, so that a test shortens those of its own driver.
type Bounds struct {
	// AdmissionEvery is the pause between two looks at what is free.
	AdmissionEvery time.Duration
	// AskEvery is the pause between two questions to a daemon from within its sidecar,
	// which cost a process each, and AskWithin what the first of them may take.
	AskEvery, AskWithin time.Duration
	// Beginning is how long nothing is made ahead behind a job whose script does not
	// begin, and NextJob how long behind one that has ended.
	Beginning, NextJob time.Duration
	// Clear bounds the removal of what a failure leaves; a sweep does the rest.
	Clear time.Duration
	// EndWait bounds the wait for what a stopped script still has to say. A
	// stopping docker build, for one, talks on.
	EndWait time.Duration
	// EngineAbsence is what a restart of an engine takes at most, and EngineGap the
	// pause between two attempts to reach it.
	EngineAbsence, EngineGap time.Duration
	// ListensFor is how long a daemon must have said where it listens.
	ListensFor time.Duration
	// LookAfter is when the first look into a daemon that boots comes, LookEvery the
	// pause between two.
	LookAfter, LookEvery time.Duration
	// MakingStalls is how long a job waits for a sandbox that is being made and to which
	// nothing happens.
	MakingStalls time.Duration
	// MemoryEvery is the pause between two looks at what a daemon has in memory.
	MemoryEvery time.Duration
	// MirrorPatience is how long a job waits for the mirror at most.
	MirrorPatience time.Duration
	// QueuesWithin is how soon after its start a daemon must have taken its port for
	// anyone to go by that. The docker command asks a daemon for 2 s how it is to be
	// talked to, and then guesses (cli/command/cli.go, defaultInitTimeout). The rest
	// of a boot takes less than its first part.
	QueuesWithin time.Duration
	// QuietAfter is when a daemon that did refuse or answer, and now does neither,
	// counts as out of reach.
	QuietAfter time.Duration
	// RemoveFirstGap is the pause before the second look of a removal; it doubles.
	RemoveFirstGap time.Duration
	// Shell is what it may take to open a shell, or to ask for its code: a terminal
	// that is handed over does not pass Ctrl-C on meanwhile.
	Shell time.Duration
	// ShowUser is what a container may take to tell its user.
	ShowUser time.Duration
	// StatusList bounds the lists of a status, StatusCount what is counted.
	StatusList, StatusCount time.Duration
	// Yield is how long one sandbox that is made ahead waits for jobs that begin, in all.
	Yield time.Duration
}

// Usual are those that hosts have.
func Usual() *Bounds {
	return &Bounds{
		AdmissionEvery: time.Second,
		AskEvery:       200 * time.Millisecond,
		AskWithin:      10 * time.Second,
		Beginning:      30 * time.Second,
		Clear:          2 * time.Minute,
		EndWait:        10 * time.Second,
		EngineAbsence:  20 * time.Second,
		EngineGap:      500 * time.Millisecond,
		ListensFor:     2 * time.Second,
		LookAfter:      4 * time.Second,
		LookEvery:      time.Second,
		MakingStalls:   20 * time.Second,
		MemoryEvery:    time.Second,
		MirrorPatience: time.Second,
		NextJob:        300 * time.Millisecond,
		QueuesWithin:   1500 * time.Millisecond,
		QuietAfter:     5 * time.Second,
		RemoveFirstGap: 50 * time.Millisecond,
		Shell:          30 * time.Second,
		ShowUser:       30 * time.Second,
		StatusList:     10 * time.Second,
		StatusCount:    5 * time.Second,
		Yield:          5 * time.Second,
	}
}

// Clearing returns a context for the removal of what a failure leaves. It outlives
// its caller's, which may have ended, but not an engine that hangs.
func (b *Bounds) Clearing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), b.Clear)
}

// Pause waits, and tells whether it was not cut short.
func Pause(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}
