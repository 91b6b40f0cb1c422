package dataroot

import (
	"context"
	"fmt"
)

// Empty removes all that is in the directory root, flags that forbid it and all,
// so that an engine can remove the volume. The directory itself stays. It may be
// called again, whatever an earlier call has left.
func Empty(ctx context.Context, root string, limits Limits) error {
	d, err := openRoot(root)
	if err != nil {
		return err
	}
	defer d.close()
	r := remover{ctx: ctx, limit: limits.Removed}
	if err := r.empty(d); err != nil {
		return fmt.Errorf("emptying a volume, with %d entries removed: %w", r.removed, err)
	}
	return nil
}
