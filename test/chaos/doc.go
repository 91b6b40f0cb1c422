// Package chaos breaks jobs at random moments on a real engine, and shows that
// nothing is left behind and that the next job works.
package chaos
