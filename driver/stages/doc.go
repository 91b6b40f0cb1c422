// Package stages runs the scripts of a job that is prepared: those of the build side
// in the job container, those of the helper side in the helper. It shows what the
// services print meanwhile, and notices what happened to the job's containers.
//
//	job.go         RunJob: a script on the stdin of the job container's shell
//	give.go        what waits for the script: the daemon, and the owner of its files
//	helper.go      RunHelper: one in the helper
//	servicelog.go  FollowServices: the services' logs between a script's lines
//	ended.go       EndedServices: those that ended before a script did
//	watch.go       WatchStage: what ran out of memory; ending.go who ended the sidecar
//
// It may import driver/bounds, driver/engine, driver/label, driver/plan,
// driver/sandbox, driver/stream, fault, group and wary.
package stages
