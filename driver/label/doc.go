// Package label has the labels and the names of all that this program makes on an
// engine. Labels are its database: they are put on at creation, never change, and
// everything is found again by them. Names serve as claims, since an engine gives
// each once, and where an engine has dropped the labels of a volume.
//
// It may import driver/plan.
package label
