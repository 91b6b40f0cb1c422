package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
)

// day is the length of "1d": 24 hours, whatever the calendar.
const day = 24 * time.Hour

// Duration is a time.Duration, written as "14d", "1h30m" or "90s" in TOML.
type Duration time.Duration

// UnmarshalText parses Go's duration syntax. A whole number of days may stand before the
// duration or in its place.
func (d *Duration) UnmarshalText(text []byte) error {
	days, rest, found := strings.Cut(string(text), "d")
	n, err := strconv.ParseUint(days, 10, 16)
	if !found || err != nil { // no days
		n, days, rest = 0, "", string(text)
	}
	var v time.Duration
	if rest != "" || days == "" {
		if v, err = time.ParseDuration(rest); err != nil || days != "" && v < 0 {
			return fmt.Errorf("%q is no duration such as 14d, 1h30m or 90s", text)
		}
	}
	whole := time.Duration(n)*day + v
	if whole < v || whole == math.MinInt64 { // more nanoseconds than there are, or none of its negative
		return fmt.Errorf("%q is too long", text)
	}
	*d = Duration(whole)
	return nil
}

// MarshalText writes a duration in the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes a duration exactly and without units of zero, e.g. "14d" or "1h30m".
func (d Duration) String() string {
	switch {
	case d == 0:
		return "0s"
	case d < 0:
		return "-" + (-d).String()
	}
	text := ""
	if days := d.Std() / day; days > 0 {
		text = fmt.Sprintf("%dd", days)
	}
	if rest := d.Std() % day; rest > 0 {
		clock := rest.String()
		if strings.HasSuffix(clock, "m0s") {
			clock = strings.TrimSuffix(clock, "0s")
		}
		if strings.HasSuffix(clock, "h0m") {
			clock = strings.TrimSuffix(clock, "0m")
		}
		text += clock
	}
	return text
}

// Std returns the duration as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Age writes an age in its largest unit, e.g. "3h" for three hours and a half. A negative
// age, which two clocks can cause, is "0s".
func Age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d/day))
}

// Size is a number of bytes, written as "512m" or "4g" in TOML. All units are powers of
// 1024, as in docker run.
type Size int64

// UnmarshalText parses sizes in the notation of docker run.
func (s *Size) UnmarshalText(text []byte) error {
	v, err := units.RAMInBytes(string(text))
	if err == nil && (v < 0 || v == math.MaxInt64) { // an overflow, as processors differ
		return fmt.Errorf("%q is too large", text)
	}
	*s = Size(v)
	return err
}

// Bytes returns the size in bytes.
func (s Size) Bytes() int64 { return int64(s) }

// String writes a size with four digits at most, e.g. "1.5 GB".
func (s Size) String() string {
	return units.CustomSize("%.4g %s", float64(s), 1024, []string{"B", "KB", "MB", "GB", "TB", "PB", "EB"})
}
