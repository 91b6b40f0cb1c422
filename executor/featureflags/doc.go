// Package featureflags knows the feature flags of GitLab Runner, and the meaning of each
// for a job here. Some flags change jobs of the docker executor only.
//
// It imports the standard library only.
package featureflags
