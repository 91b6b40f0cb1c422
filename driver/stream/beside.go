package stream

import "io"

// Beside runs pass, which reads a stream, in a goroutine of its own. done tells how that went; end closes the stream
// and returns when nothing more is written, and may be called twice.
func Beside(stream io.Closer, pass func() error) (done <-chan error, end func()) {
	result, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		result <- pass()
	}()
	return result, func() {
		_ = stream.Close() // it was read, not written
		<-ended
	}
}
