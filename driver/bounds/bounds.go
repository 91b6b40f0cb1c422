// Package bounds holds all bounds and pauses of a driver in one place. Its Pause ends with a
// context.
package bounds

import (
	"context"
	"time"
)

// Bounds are the longest waits of a driver, and its pauses between two looks. They are fields, so
// a test can shorten those of its own driver.
type Bounds struct {
	// AdmissionEvery is the pause between two looks at the free room.
	AdmissionEvery time.Duration
	// AskEvery is the pause between two questions to a daemon from inside its sidecar, which cost
	// a process each. AskWithin is the time for the first question.
	AskEvery, AskWithin time.Duration
	// Beginning bounds the wait of makers of sandboxes for the begin of a job's script. NextJob
	// is their pause behind an ended job.
	Beginning, NextJob time.Duration
	// Clear bounds the removal of a failure's remains; a sweep does the rest.
	Clear time.Duration
	// EndWait bounds the wait for the last output of a stopped script: a stopping docker build,
	// for example, talks on. Waits for a container's end and its removal have the same bound.
	EndWait time.Duration
	// EngineAbsence is the longest restart of an engine, and EngineGap the pause between two
	// attempts to reach the engine.
	EngineAbsence, EngineGap time.Duration
	// FinishGaps are the pauses between the tries to remove an ended job's sandboxes for good.
	// FinishSlot bounds the wait for other jobs' removals, for each try. A removal that takes
	// longer than FinishTurn keeps no other waiting: it may hang, perhaps by a job's will.
	FinishGaps             []time.Duration
	FinishSlot, FinishTurn time.Duration
	// ListensFor is the time for which a daemon must have listened before it is judged.
	ListensFor time.Duration
	// LookAfter is the time before the first look into a booting daemon, LookEvery the pause
	// between two looks.
	LookAfter, LookEvery time.Duration
	// MakingStalls bounds a job's wait for an unfinished sandbox without any progress.
	MakingStalls time.Duration
	// MemoryEvery is the pause between two looks at the memory of a daemon.
	MemoryEvery time.Duration
	// MirrorPatience bounds a job's wait for the mirror.
	MirrorPatience time.Duration
	// QueuesWithin is the time from a daemon's start until it must have taken its port. Later
	// nobody relies on its queue. The docker command asks a daemon for 2 s which API it speaks,
	// and then guesses (cli/command/cli.go, defaultInitTimeout). The rest of a boot takes less
	// than its first part.
	QueuesWithin time.Duration
	// QuietAfter is the time after which a silent daemon counts as out of reach, if it has
	// refused or answered before.
	QuietAfter time.Duration
	// RemoveFirstGap is the pause before the second look of a removal; it doubles.
	RemoveFirstGap time.Duration
	// Shell bounds the opening of a shell, and the question for its exit code. Meanwhile the
	// terminal belongs to the shell, and does not pass Ctrl-C on.
	Shell time.Duration
	// ShowUser bounds the question to a container for its user.
	ShowUser time.Duration
	// StatusList bounds the lists of a status, StatusCount the counting.
	StatusList, StatusCount time.Duration
	// Yield bounds the wait for beginning jobs of one sandbox made ahead, in all.
	Yield time.Duration
}

// Usual are the bounds outside of tests.
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
		FinishGaps:     []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second},
		FinishSlot:     5 * time.Minute,
		FinishTurn:     time.Minute,
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

// Clearing returns a context for the removal of a failure's remains. It outlives the caller's
// context, which may have ended, but not an engine that hangs.
func (b *Bounds) Clearing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), b.Clear)
}

// Pause waits, and tells whether ctx let the whole time pass.
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
