// Package mirror keeps the registry that all jobs of an engine share: it finds it or
// makes it, tells how it is reached and what it stores, and removes it when its
// settings hold no more.
//
// It may import driver/bounds, driver/engine, driver/images, driver/label,
// driver/plan, driver/removal, driver/span, fault, group and wary.
package mirror
