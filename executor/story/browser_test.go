//go:build browser

package story

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browserBound bounds a start of the browser.
const browserBound = time.Minute

// browse opens a file in a window of a width, and returns the resulting document.
func browse(t *testing.T, file string, width int, more ...string) string {
	t.Helper()
	var browser string
	var err error
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if browser, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(errors.Join(err, errors.New("install chromium: apt-get install chromium")))
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserBound)
	defer cancel()
	// A test often runs as root, whose browser has no sandbox.
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files", "--user-data-dir=" + t.TempDir(), fmt.Sprintf("--window-size=%d,1000", width)}, more...)
	cmd := exec.CommandContext(ctx, browser, append(args, "file://"+file)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return string(out)
}

// written writes a page into a file.
func written(t *testing.T, page string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var title = regexp.MustCompile(`<title>([^<]*)</title>`)

// measured returns the width and the height of a page in a frame of a width. A script in a
// surrounding page measures them.
func measured(t *testing.T, page string, width int) (wide, high int) {
	t.Helper()
	file := written(t, page)
	around := filepath.Join(filepath.Dir(file), "around.html")
	text := fmt.Sprintf(`<!DOCTYPE html><html><head><title>-</title></head><body style="margin:0"><iframe id="f" src="page.html" style="border:0;width:%dpx;height:600px"></iframe>
<script>document.getElementById("f").onload = function () { var e = this.contentDocument.documentElement; document.title = e.scrollWidth + " " + e.scrollHeight; }</script></body></html>`, width)
	if err := os.WriteFile(around, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := title.FindStringSubmatch(browse(t, around, width+200, "--dump-dom"))
	if m == nil {
		t.Fatal("the browser has no title")
	}
	if _, err := fmt.Sscanf(m[1], "%d %d", &wide, &high); err != nil {
		t.Fatalf("title %q: %v", m[1], err)
	}
	return wide, high
}

// DIND_SCREENSHOTS names a directory for pictures of the pages.
func TestPagesInABrowser(t *testing.T) {
	shots := os.Getenv("DIND_SCREENSHOTS")
	evilOne := failed()
	evilOne.Bundle.Report.Containers[0].Image = evil
	evilOne.Bundle.Report.SidecarLog = append(evilOne.Bundle.Report.SidecarLog, evil, strings.Repeat("x", 5000))
	evilOne.Bundle.Ref, evilOne.Bundle.Project = strings.Repeat("ref-", 50), evil
	for name, j := range map[string]Job{"failed": failed(), "running": running(), "succeeded": succeeded(), "evil": evilOne} {
		page := pageOf(t, j)
		for _, width := range []int{400, 1400} {
			wide, high := measured(t, page, width)
			if wide > width || high < 300 {
				t.Errorf("%s: the page has %d by %d pixels in a window of %d", name, wide, high, width)
			}
			if shots == "" {
				continue
			}
			frame := filepath.Join(t.TempDir(), "frame.html")
			text := fmt.Sprintf(`<!DOCTYPE html><body style="margin:0"><iframe src="%s" style="border:0;width:%dpx;height:%dpx"></iframe>`, written(t, page), width, high)
			if err := os.WriteFile(frame, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			browse(t, frame, width, fmt.Sprintf("--window-size=%d,%d", max(width, 500), high), "--screenshot="+filepath.Join(shots, fmt.Sprintf("%s-%d.png", name, width)))
		}
	}
}

// If anything gets past the escaping, the page's own policy stops scripts.
func TestThePolicyOfAPageStopsScripts(t *testing.T) {
	const script = `<script>document.title = "a script ran"</script>`
	page := strings.Replace(pageOf(t, failed()), "</body>", script+"</body>", 1)
	if m := title.FindStringSubmatch(browse(t, written(t, page), 800, "--dump-dom")); m == nil || m[1] != "Job 4711 of group/app" {
		t.Errorf("the title is %q", m)
	}
	open := regexp.MustCompile(`<meta http-equiv[^>]*>`).ReplaceAllString(page, "")
	if m := title.FindStringSubmatch(browse(t, written(t, open), 800, "--dump-dom")); m == nil || m[1] != "a script ran" {
		t.Errorf("without the policy the title is %q, so that the test shows nothing", m)
	}
}
