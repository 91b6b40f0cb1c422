// Package story is what `explain` tells of one job: of its bundle, of its sandbox while
// it runs, and of the lines that its hooks left in the operator's log. It is told as
// text, or as one page for a browser.
//
//	story.go     what is known of a job
//	list.go      jobs of which something is known
//	text.go      the text
//	page.go      the page, page.html its template; no script and no address is in it
//	timeline.go  the bars of the page; pure
//
// All of it was said by others: text is bounded, and the template escapes it.
//
// It may import executor/bundle, executor/joblog, executor/overview, executor/telemetry,
// driver/looking, driver/plan and wary.
package story
