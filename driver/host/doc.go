// Package host reads facts about the host of this process: routes, name servers, MTU, free memory
// and disk, firewall rules, mounts. Its locks are shared by the processes of one host.
//
// It may import driver/plan, fault, hostfile and pattern.
package host
