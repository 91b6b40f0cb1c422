// Package chaos breaks jobs at random moments on a real engine. Nothing may be left behind, and
// the next job must work.
package chaos
