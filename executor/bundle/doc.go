// Package bundle holds the facts about a failed job for `explain`. cleanup collects a
// bundle, without the job's secrets, into a directory of the Runner's user, and removes
// bundles that are too old.
//
// It may import executor/joblog, executor/payload, executor/redact, driver, driver/label,
// driver/looking, driver/sandbox and hostfile.
package bundle
