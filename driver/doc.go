// Package driver carries plans out on a Docker Engine: it makes sandboxes, runs
// scripts in them, removes them and sweeps up what others left. Nothing here knows
// GitLab. Labels are the database: what prepare made, run, cleanup and sweep find
// again by label alone.
//
// The life of a job, as a map of the files and rooms in the order of calls:
//
//	client.go      Open: the engine, the locks of this host, the rooms
//	facts.go       Facts: what a plan has to know of engine and host
//	admission.go   Admit: is there room for one more; what goes to make some
//	mirror         Mirror: the registry that all jobs share, found or made
//	prepare.go     Prepare: all of a sandbox, side by side; read this first
//	  claim.go       a sandbox that waited, taken by the name of its job container;
//	                 what becomes of a claim that was lost
//	  half.go        one that is still being made, taken likewise
//	  bare.go        a sandbox without a daemon that waited, taken by the name of its
//	                 seat; who makes them
//	  network.go     the anchor; isolation.go what keeps it apart over IPv6
//	  images         each image once, by what its registry says; remake.go makes
//	                 anew what an answer came too late for
//	  create.go      what an engine refuses of a container; grants.go its rights,
//	                 hostfiles.go the hosts' files that it gets
//	  lease.go       the sidecar with the layers of earlier jobs, or its own;
//	                 replace.go a sidecar anew
//	  sidecar.go     its files and its image, relay.go who asks for names
//	                 where it cannot
//	  boot           does the daemon answer, and why not; its certificates
//	  jobcache.go    the cache; registrycas.go the CAs of registries
//	  service.go     services, and serviceprobe.go when they are
//	booting.go     AwaitDaemon: the rest of the boot, before the first script or beside it
//	stages         RunJob, RunHelper: the scripts; what happened meanwhile
//	held.go        Hold: a failed job's sandbox stays
//	cleanup.go     End: nothing of the job runs on, and a mark says so; Cleanup
//	               removes it; removal in which order things go, a removal that
//	               hangs, and volumes that resist
//	await.go       an engine that restarts
//
// What goes on besides jobs:
//
//	sweep.go       Sweep; its verdicts are those of sandbox
//	layers         caches and layers that go, and are cleared; seeds
//	seedmake.go    a seed made by an inner daemon, which inner.go reaches
//	pool.go        Fill, Drain: sandboxes made ahead; makeahead.go makes one, and
//	               yield.go lets jobs go first
//	prepull.go     images ahead
//	looking        status, counts, reports; logs and a shell
//	enginefacts.go what doctor asks; trial.go a sandbox to try
//
// Its rooms know less than it does, and the later ones here less than the earlier:
//
//	looking    looks at all of it, and into it
//	layers     what outlives jobs
//	mirror     the registry that all jobs share
//	removal    removes what is ours; program.go runs this program in a container
//	stages     runs scripts in what is prepared
//	boot       waits for an inner daemon; blame says whose fault it is that none comes
//	sandbox    reads a sandbox by its labels; verdict.go what a sweep makes of it
//	images     gets images to the engine
//	engine     Docker's API; refusal.go is what an engine refuses, in whose words,
//	           and ours.go lists what is ours
//	bounds     what is waited for, and how long
//	label      labels.go the labels, naming.go the names, of all that is ours
//	owner      who made it, and does that live
//	host       what this process sees of this host: a new fact about it goes there
//	stream     the lines of scripts, helpers and services
//	plan       what is to be made, pure; dataroot clears and copies data roots
//	registry   asks a registry for a digest
//	span       spans of a timeline
package driver
