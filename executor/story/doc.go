// Package story tells the story of a job for `explain`. The sources are the job's
// bundle, its sandbox while running, and the lines of its hooks in the operator's
// log. The output is text, or a page for a browser.
//
//	story.go     the known facts about a job
//	list.go      jobs with known facts
//	text.go      the text
//	page.go      the page, page.html its template; no script and no address
//	timeline.go  the bars of the page; pure
//
// All words come from others: texts are bounded, and the template escapes them.
//
// It may import executor/bundle, executor/joblog, executor/overview, executor/telemetry,
// driver/looking, driver/plan, config and wary.
package story
