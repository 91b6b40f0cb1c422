package dataroot

import (
	"context"
	"fmt"
)

// Empty removes everything in the directory root, flags against removal included, so an engine
// can remove the volume. The directory itself stays. Empty may be called again after any earlier
// call. A mount inside stays, and is an error at the end (ErrMounted).
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
