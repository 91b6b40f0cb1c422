package span

import (
	"context"

	"go.opentelemetry.io/otel"
)

// Begin begins a span of the timeline, if there is a timeline. The returned function ends the
// span. The engine's client makes a span of each call by itself.
func Begin(ctx context.Context, name string) (context.Context, func()) {
	ctx, s := otel.Tracer("").Start(ctx, name)
	return ctx, func() { s.End() }
}
