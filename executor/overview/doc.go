// Package overview is what `status` shows a person: the sandboxes that are asked for,
// in an order, and no more of them than fit a page.
//
//	choice.go  filters and sorts; pure
//	table.go   the table with its summary
//	notes.go   what stands below the table, and what to do about it
//
// It may import driver/looking, fault and wary.
package overview
