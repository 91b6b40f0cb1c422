// Package featureflags knows the feature flags of GitLab Runner: what each of them means
// for a job here, where the docker executor would run it otherwise.
//
// It imports the standard library only.
package featureflags
