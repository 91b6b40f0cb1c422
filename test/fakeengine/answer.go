package fakeengine

import (
	"io"
	"net/http"
	"time"
)

// Answer is what a call gets instead of the truth, or before it: next answers
// as an engine would.
type Answer func(e *Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc)

// Refuse answers with a status and a message, as the engine words its errors.
func Refuse(status int, message string) Answer {
	return func(_ *Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		refuse(w, status, message)
	}
}

// Nonsense answers with what is no JSON and no archive.
func Nonsense() Answer {
	return Saying("<html>502 Bad Gateway</html>")
}

// Saying answers with this text, such as "{}", which parses and means nothing.
func Saying(text string) Answer {
	return func(_ *Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}
}

// Slowly answers the truth after a time.
func Slowly(d time.Duration) Answer {
	return func(e *Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		late := time.NewTimer(d)
		defer late.Stop()
		select {
		case <-late.C:
			next(w, r)
		case <-e.closed:
		}
	}
}

// Hang says nothing until the client gives up or the engine ends.
func Hang() Answer {
	return func(e *Engine, _ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is a client seen to give up
		select {
		case <-r.Context().Done():
		case <-e.closed:
		}
	}
}

// Drop begins an answer and cuts the connection.
func Drop() Answer {
	return func(_ *Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"Id": "`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// First lets something happen, then answers the truth.
func First(do func(e *Engine)) Answer {
	return func(e *Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		do(e)
		next(w, r)
	}
}

// Then answers the truth and lets something happen behind it.
func Then(do func(e *Engine)) Answer {
	return func(e *Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		next(w, r)
		do(e)
	}
}

// Cut cuts the connection without a word.
func Cut() Answer {
	return func(*Engine, http.ResponseWriter, *http.Request, http.HandlerFunc) {
		panic(http.ErrAbortHandler)
	}
}
