// Package stages runs the scripts of a prepared job. Scripts of the build side run in the job
// container, scripts of the helper side in the helper. The package also shows the output of
// services meanwhile, and notices events of the job's containers.
//
//	job.go         RunJob: a script on the stdin of the job container's shell
//	give.go        waits of the script: for the daemon, and for the owner of its files
//	helper.go      RunHelper: a script in the helper
//	servicelog.go  FollowServices: the services' logs between a script's lines
//	ended.go       EndedServices: services that ended before a script did
//	watch.go       WatchStage: containers out of memory; ending.go who ended the sidecar
//
// It may import driver/bounds, driver/engine, driver/label, driver/plan,
// driver/sandbox, driver/stream, fault, group and wary.
package stages
