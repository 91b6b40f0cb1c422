// Package access is how registries are reached: the credentials that a job has and
// those of the user that this runs as, the CAs that the settings name, and what the
// settings say of the mirror. It reads the files that hold them, and asks nobody but
// the user's credential helpers.
//
// It may import executor/payload, driver/plan, config, fault and hostfile.
package access
