package host

import (
	"slices"
	"testing"
)

func TestMountsBelowADirectory(t *testing.T) {
	const table = `22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 8:1 / /var/lib/docker/volumes/v/_data rw - ext4 /dev/sda1 rw
31 30 8:1 /x /var/lib/docker/volumes/v/_data/a rw - ext4 /dev/sda1 rw
32 31 8:1 /y /var/lib/docker/volumes/v/_data/a/b\040c\134d rw shared:1 - ext4 /dev/sda1 rw
33 22 8:1 /z /var/lib/docker/volumes/v/_data2/a rw - ext4 /dev/sda1 rw
34 22 8:1 /z /var/lib/docker/volumes/vv/_data/a rw - ext4 /dev/sda1 rw
35 22 8:1 /z /x/var/lib/docker/volumes/v/_data/a rw - ext4 /dev/sda1 rw
36 22
37 31 8:1 /y /var/lib/docker/volumes/v/_data/a rw - ext4 /dev/sda1 rw
`
	want := []string{"a", `a/b c\d`, "a"} // the last is on top
	if got := mountsBelow([]byte(table), "/var/lib/docker/volumes/v/_data"); !slices.Equal(got, want) {
		t.Errorf("below are %q, want %q", got, want)
	}
	if got := mountsBelow([]byte(table), "/nowhere"); len(got) != 0 {
		t.Errorf("below nothing are %q", got)
	}
	for text, want := range map[string]string{`a\040b`: "a b", `\134\040`: `\ `, `a\`: `a\`, `a\04`: `a\04`, `\999x`: `\999x`, `\777`: `\777`} {
		if got := unescape(text); got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
}
