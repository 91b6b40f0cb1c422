// Package mirror keeps the registry that all jobs of an engine share. The package finds or makes
// the mirror, tells its address and the size of its storage, and removes mirrors without
// settings.
//
// It may import driver/bounds, driver/engine, driver/images, driver/label,
// driver/plan, driver/removal, driver/span, config, fault, group and wary.
package mirror
