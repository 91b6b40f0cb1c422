package rig

import "testing"

func TestParseStat(t *testing.T) {
	const rest = " 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200"
	tests := []struct {
		name, stat, start string
		alive             bool
	}{
		{"an ordinary process", "42 (sh) S" + rest, "98765", true},
		{"a name with parentheses and spaces", "42 (a) R (b c) S" + rest, "98765", true},
		{"a zombie is not alive", "42 (sh) Z" + rest, "", false},
		{"a line that breaks off", "42 (sh) S 1 1", "", false},
		{"nothing", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start, alive := parseStat(tt.stat)
			if start != tt.start || alive != tt.alive {
				t.Errorf("parseStat = %q, %v; want %q, %v", start, alive, tt.start, tt.alive)
			}
		})
	}
}

func TestOwnerIsDeadOnlyWhenProven(t *testing.T) {
	me := owner{Host: "h", Boot: "b", PIDNS: "1", PID: "7", Start: "70"}
	processes := func(pid string) (string, bool) {
		start, ok := map[string]string{"7": "70", "8": "80"}[pid]
		return start, ok
	}
	tests := []struct {
		name  string
		owner owner
		want  bool
	}{
		{"this process", me, false},
		{"another one that runs", owner{"h", "b", "1", "8", "80"}, false},
		{"one that has ended", owner{"h", "b", "1", "9", "90"}, true},
		{"one whose pid is now another's", owner{"h", "b", "1", "8", "79"}, true},
		{"one before the last boot", owner{"h", "a", "1", "8", "80"}, true},
		{"one of another pid namespace", owner{"h", "b", "2", "9", "90"}, false},
		{"one of another machine", owner{"g", "a", "1", "9", "90"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.owner.dead(me, processes); got != tt.want {
				t.Errorf("dead = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOwnerSurvivesItsLabel(t *testing.T) {
	me, err := self()
	if err != nil {
		t.Fatal(err)
	}
	if back, ok := parseOwner(me.String()); !ok || back != me {
		t.Errorf("parseOwner(%q) = %+v, %v; want %+v", me, back, ok, me)
	}
	if me.dead(me, startOf) {
		t.Error("this process counts as dead")
	}
	for _, value := range []string{"", "////", "h/b/1/7", "h/b//7/70", "h/b/1/7/70/x"} {
		if o, ok := parseOwner(value); ok {
			t.Errorf("parseOwner(%q) = %+v, want it refused", value, o)
		}
	}
}
