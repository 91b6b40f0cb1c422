// Package overview shows the sandboxes of `status` to a person: a choice of them, in
// an order, and at most a page.
//
//	choice.go  filters and sorts; pure
//	table.go   the table with its summary
//	notes.go   the notes below the table, with their hints
//
// It may import driver/looking, config, fault and wary.
package overview
