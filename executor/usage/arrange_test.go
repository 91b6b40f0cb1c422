package usage

import "testing"

func TestSwitchesAreListedByTheirNameAlone(t *testing.T) {
	got := flags("  -h, --help[=true|false]   help for gc\n      --max-size SIZE       leave this SIZE\n      --json[=true|false]   print JSON\n")
	want := "  -h, --help            help for gc\n      --max-size SIZE   leave this SIZE\n      --json            print JSON\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
