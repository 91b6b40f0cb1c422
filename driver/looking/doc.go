// Package looking looks at the objects of this program on an engine, and into them. It serves an
// admin, metrics, and the report of a job. The package changes nothing but a held sandbox, which
// runs again while somebody looks inside.
//
//	status.go  Status: the state of each sandbox; usage.go its consumption
//	counts.go  counts for metrics
//	report.go  facts about a job's containers before they go
//	named.go   a sandbox by its names
//	shell.go   logs of a sandbox, and a shell in it; rest.go a held sandbox at rest
//
// It may import driver/bounds, driver/engine, driver/label, driver/layers,
// driver/mirror, driver/plan, driver/removal, driver/sandbox, fault, group and wary.
package looking
