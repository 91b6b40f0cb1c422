// Package access gathers the keys to registries: a job's credentials, the calling user's
// credentials, the CAs in the settings, and the mirror's settings. The package reads the
// files of these, and asks nobody but the user's credential helpers.
//
// It may import executor/payload, driver/plan, config, fault and hostfile.
package access
