package host

import (
	"context"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// rulesBound bounds the listing of this host's rules.
const rulesBound = 10 * time.Second

// Rules tells whether this host's firewall has rules for a network's IPv6.
type Rules int

const (
	// RulesUnseen: the rules cannot be read from here.
	RulesUnseen Rules = iota
	RulesThere
	RulesMissing
)

// RulesOf looks for the rules of a bridge. Only root in the engine's own network namespace can
// see them.
func RulesOf(ctx context.Context, bridge string) Rules {
	if os.Geteuid() != 0 {
		return RulesUnseen
	}
	if _, err := net.InterfaceByName(bridge); err != nil {
		return RulesUnseen
	}
	ctx, cancel := context.WithTimeout(ctx, rulesBound)
	defer cancel()
	seen := RulesUnseen
	// The engine may use the other kind of the kernel's tables than this host.
	for _, program := range []string{"ip6tables", "ip6tables-nft", "ip6tables-legacy"} {
		out, err := exec.CommandContext(ctx, program, "-w", "5", "-S").Output()
		switch {
		case err != nil:
		case mentions(string(out), bridge):
			return RulesThere
		default:
			seen = RulesMissing
		}
	}
	return seen
}

// mentions tells whether rules, in the form of ip6tables -S, are about a bridge.
func mentions(rules, bridge string) bool {
	return slices.ContainsFunc(strings.Split(rules, "\n"), func(rule string) bool {
		return strings.HasPrefix(rule, "-A ") && slices.Contains(strings.Fields(rule), bridge)
	})
}
