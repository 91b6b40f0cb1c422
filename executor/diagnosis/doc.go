// Package diagnosis says why a script failed, where the reason is certain.
//
// The package reads the error line of docker's client, its daemon, buildx, compose or a
// shell. The line must have their own wording, stand at their usual place, and be the last
// of the failed command. Text of other programs says nothing, even with the same words.
// Each cause is a row. testdata/rows holds recorded texts that show the cause, and texts of
// others that do not.
//
// It may import driver/looking, driver/plan, driver/stages and config.
package diagnosis
