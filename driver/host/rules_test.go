package host

import "testing"

func TestRulesAboutABridge(t *testing.T) {
	const rules = `-P FORWARD DROP
-N DOCKER-ISOLATION-STAGE-1
-N br-000000000000
-A DOCKER-ISOLATION-STAGE-1 -i br-7e31d5d8f901 ! -o br-7e31d5d8f901 -j DOCKER-ISOLATION-STAGE-2
-A FORWARD -o br-961ba55aaed7 -j DOCKER
`
	for bridge, want := range map[string]bool{
		"br-7e31d5d8f901": true, "br-961ba55aaed7": true, "br-961ba55aaed": false, "br-000000000000": false, "br-111111111111": false, "": false,
	} {
		if got := mentions(rules, bridge); got != want {
			t.Errorf("%q: %t, want %t", bridge, got, want)
		}
	}
}
