// Package driver carries plans out on a Docker Engine. It makes sandboxes, runs scripts in
// them, removes them and sweeps leftovers of others. Nothing here knows GitLab. Labels are
// the database: run, cleanup and sweep find the objects of prepare by label alone.
//
// The life of a job, as a map of the files and rooms in the order of calls:
//
//	client.go      Open: the engine, the locks of this host, the rooms
//	facts.go       Facts: everything that a plan needs to know of engine and host
//	admission.go   Admit: waits for room for another job, and makes room
//	mirror         Mirror: the registry shared by all jobs, found or made
//	prepare.go     Prepare: all of a sandbox, side by side; read this first
//	  claim.go       takes a waiting sandbox by the name of its job container, and
//	                 handles a lost claim
//	  half.go        takes a sandbox that is still being made, in the same way
//	  bare.go        takes a waiting sandbox without a daemon by the name of its seat,
//	                 and makes such sandboxes
//	  network.go     the anchor; isolation.go keeps it apart over IPv6
//	  images         each image once, as its registry says; remake.go makes a
//	                 container anew if the registry answers too late
//	  create.go      faults from an engine's refusals; grants.go a container's rights,
//	                 hostfiles.go its files from the host
//	  lease.go       the sidecar with the layers of earlier jobs, or its own;
//	                 replace.go a sidecar anew
//	  sidecar.go     its files and its image; relay.go asks for names where the
//	                 sidecar cannot
//	  boot           does the daemon answer, and why not; its certificates
//	  jobcache.go    the cache; registrycas.go the CAs of registries
//	  service.go     services; serviceprobe.go finds out when they are ready
//	booting.go     AwaitDaemon: the rest of the boot, before the first script or beside it
//	stages         RunJob, RunHelper: the scripts; events meanwhile
//	held.go        Hold: a failed job's sandbox stays
//	cleanup.go     End kills all of the job and marks its end; Cleanup removes it;
//	               removal knows the order of removals, removals that hang, and
//	               volumes that resist
//	await.go       an engine that restarts
//
// Work besides jobs:
//
//	sweep.go       Sweep; its verdicts come from sandbox
//	layers         removes and clears caches and layers; seeds
//	seedmake.go    a seed made by an inner daemon; inner.go connects to the daemon
//	pool.go        Fill, Drain: sandboxes made ahead; makeahead.go makes a sandbox,
//	               and yield.go lets jobs go first
//	prepull.go     images ahead
//	looking        status, counts, reports; logs and a shell
//	enginefacts.go facts for doctor; trial.go tries a sandbox
//
// The rooms know less than this package. In this list, later rooms know less than earlier
// rooms:
//
//	looking    looks at all of it, and into it
//	layers     data that outlives jobs
//	mirror     the registry shared by all jobs
//	removal    removes our objects; program.go runs this program in a container
//	stages     runs scripts in prepared containers
//	boot       waits for an inner daemon; blame says whose fault a failed boot is
//	sandbox    reads a sandbox by its labels; verdict.go judges it for a sweep
//	images     gets images to the engine
//	engine     Docker's API; refusal.go reads an engine's refusals, and ours.go lists
//	           our objects
//	bounds     the bounds of all waits
//	label      labels.go the labels, naming.go the names, of all our objects
//	owner      the process that made an object, and whether it lives
//	host       this host as this process sees it: a new fact about it goes there
//	stream     the lines of scripts, helpers and services
//	plan       plans sandboxes, pure; dataroot clears and copies data roots
//	registry   asks a registry for a digest
//	span       spans of a timeline
package driver
