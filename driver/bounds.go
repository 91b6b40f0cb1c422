package driver

import "time"

// bounds are what a driver waits for at most, and its pauses between two looks. They
// are fields, so that a test shortens those of its own driver.
type bounds struct {
	// admissionEvery is the pause between two looks at what is free.
	admissionEvery time.Duration
	// clear bounds the removal of what a failure leaves; a sweep does the rest.
	clear time.Duration
	// endWait bounds the wait for what a stopped script still has to say. A
	// stopping docker build, for one, talks on.
	endWait time.Duration
	// engineAbsence is what a restart of an engine takes at most, and engineGap the
	// pause between two attempts to reach it.
	engineAbsence, engineGap time.Duration
	// listensFor is how long a daemon must have said where it listens.
	listensFor time.Duration
	// lookAfter is when the first look into a daemon that boots comes, lookEvery the
	// pause between two.
	lookAfter, lookEvery time.Duration
	// mirrorPatience is how long a job waits for the mirror at most.
	mirrorPatience time.Duration
	// quietAfter is when a daemon that did refuse or answer, and now does neither,
	// counts as out of reach.
	quietAfter time.Duration
	// removeFirstGap is the pause before the second look of a removal; it doubles.
	removeFirstGap time.Duration
	// restPatience is how long a job waits for the rest of a removal once its
	// sandbox is an orphan.
	restPatience time.Duration
	// shell is what it may take to open a shell, or to ask for its code: a terminal
	// that is handed over does not pass Ctrl-C on meanwhile.
	shell time.Duration
	// statusList bounds the lists of a status, statusCount what is counted.
	statusList, statusCount time.Duration
}

func usualBounds() bounds {
	return bounds{
		admissionEvery: time.Second,
		clear:          2 * time.Minute,
		endWait:        10 * time.Second,
		engineAbsence:  20 * time.Second,
		engineGap:      500 * time.Millisecond,
		listensFor:     2 * time.Second,
		lookAfter:      4 * time.Second,
		lookEvery:      time.Second,
		mirrorPatience: time.Second,
		quietAfter:     5 * time.Second,
		removeFirstGap: 50 * time.Millisecond,
		restPatience:   time.Second,
		shell:          30 * time.Second,
		statusList:     10 * time.Second,
		statusCount:    5 * time.Second,
	}
}
