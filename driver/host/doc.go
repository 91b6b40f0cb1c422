// Package host tells what this process sees of the host that it runs on: routes, name
// servers, MTU, what memory and disk have left, rules of the firewall, mounts. It
// has the locks that processes of one host share.
//
// It may import driver/plan, fault and hostfile.
package host
