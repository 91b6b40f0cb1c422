// Package driver carries plans out on a Docker Engine: it makes sandboxes, runs
// scripts in them, removes them and sweeps up what others left.
//
// Nothing here knows GitLab. Labels are the database: what prepare made, run,
// cleanup and sweep find again by label alone. It may import driver/plan,
// config, fault, group and hostfile.
package driver
