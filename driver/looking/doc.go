// Package looking looks at what is ours on an engine, and into it: for an admin, for
// metrics, and for the report of a job. It changes nothing but a held sandbox, which
// goes on while somebody looks into it.
//
//	status.go  Status: what each sandbox is at, with usage.go what it uses
//	counts.go  counts for metrics
//	report.go  what is known of a job's containers before they go
//	named.go   a sandbox by its names
//	shell.go   its logs, and a shell in it; rest.go a held sandbox at rest
//
// It may import driver/bounds, driver/engine, driver/label, driver/layers,
// driver/mirror, driver/plan, driver/removal, driver/sandbox, fault, group and wary.
package looking
