package stream

import "io"

// Beside runs pass, which reads a stream, in a goroutine of its own. done gets the error of pass.
// end closes the stream, returns after the last write of pass, and may be called twice.
func Beside(stream io.Closer, pass func() error) (done <-chan error, end func()) {
	result, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		result <- pass()
	}()
	return result, func() {
		_ = stream.Close() // the stream was read, not written
		<-ended
	}
}
