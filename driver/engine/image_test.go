package engine

import (
	"strings"
	"testing"
)

func TestProgressIsSummedOverLayers(t *testing.T) {
	stream := `{"status":"Pulling from library/redis","id":"7"}
{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"a"}
{"status":"Downloading","progressDetail":{"current":5,"total":50},"id":"b"}
{"status":"Downloading","progressDetail":{"current":60,"total":100},"id":"a"}
{"status":"Extracting","progressDetail":{"current":1,"total":2},"id":"a"}
{"status":"Digest: sha256:abc"}
`
	var seen [][2]int64
	if err := followPull(strings.NewReader(stream), func(current, total int64) error {
		seen = append(seen, [2]int64{current, total})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 6 || seen[0] != [2]int64{} || seen[3] != [2]int64{65, 150} || seen[5] != seen[3] {
		t.Errorf("progress %v", seen)
	}
	if err := followPull(strings.NewReader(`{"errorDetail":{"message":"no space left"},"error":"no space left"}`), nil); err == nil {
		t.Error("an error in the stream was passed over")
	}
}

// A registry that names a size beyond all numbers gets no smaller sum.
func TestASizeBeyondAllNumbersIsLarge(t *testing.T) {
	stream := `{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"a"}
{"status":"Downloading","progressDetail":{"current":-9223372036854775807,"total":9223372036854775807},"id":"b"}
`
	var current, total int64
	if err := followPull(strings.NewReader(stream), func(c, all int64) error {
		current, total = c, all
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if current != 10 || total < 1<<50 {
		t.Errorf("%d of %d bytes", current, total)
	}
}
