// Package diagnosis says why a script failed, where that can be told for sure.
//
// It reads the error line of docker's client, its daemon, buildx, compose or a
// shell: their own wording, at the place in the line where they write it, and as
// the last that the failed command said. Text of other programs says nothing, even
// if it holds the same words. Each cause is a row, with recorded texts that show it
// and texts of others that do not (testdata/rows).
//
// It may import driver/looking, driver/plan, driver/stages and config.
package diagnosis
