package fakeengine

import (
	"io"
	"net/http"
	"time"
)

// Answer replaces or precedes the engine's own answer to a call. next gives the answer of a
// real engine.
type Answer func(e *Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc)

// Refuse answers with a status and a message, as the engine words its errors.
func Refuse(status int, message string) Answer {
	return func(_ *Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		refuse(w, status, message)
	}
}

// Nonsense answers with neither JSON nor an archive.
func Nonsense() Answer {
	return Saying("<html>502 Bad Gateway</html>")
}

// Saying answers with a text, such as "{}", which parses and means nothing.
func Saying(text string) Answer {
	return func(_ *Engine, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}
}

// Slowly gives the engine's own answer after a time.
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
		_, _ = io.Copy(io.Discard, r.Body) // without this read the server does not notice a client that gives up
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

// First calls do, then gives the engine's own answer.
func First(do func(e *Engine)) Answer {
	return func(e *Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		do(e)
		next(w, r)
	}
}

// Then gives the engine's own answer and calls do behind it.
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
