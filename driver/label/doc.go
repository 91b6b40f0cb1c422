// Package label has the labels and names of all objects that this program makes on an engine.
// Labels are the database: set at creation and never changed, they lead back to every object.
// Names serve as claims, since an engine gives each name once. They also serve where an engine
// has dropped a volume's labels.
//
// It may import driver/plan and pattern.
package label
