package config

import (
	"testing"
	"time"
)

func TestDurationsAreReadAndShownInDays(t *testing.T) {
	for text, want := range map[string]struct {
		d     time.Duration
		shown string
	}{
		"14d":       {14 * day, "14d"},
		"336h":      {14 * day, "14d"},
		"1d12h":     {36 * time.Hour, "1d12h"},
		"36h0m0s":   {36 * time.Hour, "1d12h"},
		"1h30m":     {90 * time.Minute, "1h30m"},
		"90s":       {90 * time.Second, "1m30s"},
		"20m":       {20 * time.Minute, "20m"},
		"10h0m10s":  {10*time.Hour + 10*time.Second, "10h0m10s"},
		"1.5s":      {1500 * time.Millisecond, "1.5s"},
		"0":         {0, "0s"},
		"-5m":       {-5 * time.Minute, "-5m"},
		"1000d1h1m": {1000*day + 61*time.Minute, "1000d1h1m"},
		"0d":        {0, "0s"},
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want.d || d.String() != want.shown {
			t.Errorf("%s is %s, shown as %s: %v", text, d.Std(), d, err)
		}
		var again Duration
		if shown, _ := d.MarshalText(); again.UnmarshalText(shown) != nil || again != d {
			t.Errorf("%s is written as %s, and read as %s", text, shown, again)
		}
	}
	for _, text := range []string{"", "d", "1.5d", "-1d", "1d-1h", "14", "14 d", "1h2d", "99999999999d", "1w", "1dd", "65535d2562047h", "-9223372036854775808ns"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %s", text, d)
		}
	}
}

func TestASizeThatNoHostHasIsRefused(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "512m": 512 << 20, "1.5g": 3 << 29, "1000p": 1000 << 50} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s is %d bytes: %v", text, s, err)
		}
	}
	for _, text := range []string{"", "g", "-1", "1e30", "99999999999p", "1x"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d bytes", text, s)
		}
	}
}

func TestAnAgeHasOneUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 90 * time.Second: "90s", 2 * time.Minute: "2m", 119 * time.Minute: "119m",
		47*time.Hour + 59*time.Minute: "47h", 50 * time.Hour: "2d",
	} {
		if got := Age(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}
