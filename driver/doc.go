// Package driver carries plans out on a Docker Engine: it makes sandboxes, runs
// scripts in them, removes them and sweeps up what others left. Nothing here knows
// GitLab. Labels are the database: what prepare made, run, cleanup and sweep find
// again by label alone.
//
// The life of a job, as a map of the files in the order of calls:
//
//	client.go      Open: the engine, the locks of this host, the registries
//	bounds.go      what is waited for, and how long
//	facts.go       Facts: what a plan has to know of engine and host
//	admission.go   Admit: is there room for one more; what goes to make some
//	mirror.go      Mirror: the registry that all jobs share, found or made
//	prepare.go     Prepare: all of a sandbox, side by side; read this first
//	  claim.go       a sandbox that waited, taken by the name of its job container;
//	                 what becomes of a claim that was lost
//	  network.go     the anchor; isolation.go what keeps it apart over IPv6
//	  images.go      each image once; question.go asks its registry beside, pull.go
//	                 fetches, silence.go remembers registries that said nothing,
//	                 remake.go makes anew what an answer came too late for
//	  lease.go       the sidecar with the layers of earlier jobs, or its own
//	  clear.go       layers cleared before a job has them; program.go runs this
//	                 program in a container for that; replace.go a sidecar anew
//	  sidecar.go     its files, certificates.go its certificates, fit.go its image
//	  ready.go       does the daemon answer; bootwatch.go why it does not
//	  jobcache.go    the cache; registrycas.go the CAs of registries
//	  service.go     services, and serviceprobe.go when they are
//	booting.go     AwaitDaemon: the first script waits for the rest of the boot
//	stage.go       RunJob: a script in the job container
//	helperstage.go RunHelper: one in the helper; servicelog.go shows services
//	stagewatch.go  what happened meanwhile; ending.go who ended the sidecar
//	jobreport.go   what is known of a job's containers before they go
//	held.go        Hold: a failed job's sandbox stays; rest.go at rest
//	cleanup.go     Cleanup; remove.go in which order things go, and a removal that
//	               hangs; stuck.go volumes that resist, unmount.go their mounts
//
// What goes on besides jobs:
//
//	sweep.go       Sweep and its verdicts
//	cached.go      RemoveCached: caches and layers; seedmake.go and seedlist.go first layers
//	pool.go        Fill, Drain: sandboxes made ahead
//	prepull.go     images ahead; mirrorsweep.go mirrors of other settings
//	status.go      Status, with usage.go; counts.go counts for metrics
//	enginefacts.go what doctor asks; trial.go a sandbox to try, grants.go its rights
//	target.go      a sandbox by its names; shell.go logs and a shell in it
//
// Its rooms know less than it does:
//
//	engine     Docker's API; refusal.go is what an engine refuses, in whose words,
//	           and ours.go lists what is ours
//	label      labels.go the labels, naming.go the names, of all that is ours
//	owner      who made it, and does that live
//	host       what this process sees of this host: a new fact about it goes there
//	stream     the lines of scripts, helpers and services
//	plan       what is to be made, pure; dataroot clears and copies data roots
//	registry   asks a registry for a digest
package driver
