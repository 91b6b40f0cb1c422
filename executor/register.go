package executor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/runnerconfig"
	"gitlab-dind-executor/fault"
)

// registration is one call of register.
type registration struct {
	c *call
	// The values of the flags.
	name, url, tokenFile, executable, write string
	from, runner, writeSettings             string
}

func (c *call) registerCommand() *cobra.Command {
	r := &registration{c: c}
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Print or write the [[runners]] section that calls the hooks",
		Long: "Prints the [[runners]] section for the Runner's config.toml, with timeouts that fit the\n" +
			"settings. With --write it puts the section into a file. If a section of that name calls\n" +
			"this program already, register renews its hooks and keeps the rest of the file.\n\n" +
			"First create the runner in GitLab, with a tag. Name that GitLab with --url, and give the\n" +
			"runner's token with --token-file. Without a URL no new section is written: the Runner\n" +
			"shows its token to the host of the URL.\n\n" +
			"With --from, register converts the section of a docker executor, with the settings for\n" +
			"it. It lists what carries over, what differs and what is dropped. The old section stays.\n" +
			"Values of variables, scripts and secrets are not printed. --write and --write-settings\n" +
			"take them over.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return r.run() },
	}
	f := cmd.Flags()
	f.StringVar(&r.name, "name", "", "the `NAME` of the runner (default \"docker builds\", or that of --from and \" (dind)\")")
	f.StringVar(&r.url, "url", "", "the `URL` of GitLab (default that of --from, else $CI_SERVER_URL)")
	f.StringVar(&r.tokenFile, "token-file", "", "a `FILE` with the runner's authentication token (default $CI_SERVER_TOKEN, else a placeholder)")
	f.StringVar(&r.executable, "executable", "", "the `PATH` of this program (default where it is)")
	f.StringVar(&r.write, "write", "", "put the section into this config.toml `FILE`")
	f.StringVar(&r.from, "from", "", "convert a docker executor's section of this config.toml `FILE`")
	f.StringVar(&r.runner, "runner", "", "with --from: the `NAME` of its runner, or its number as #2, where there are several")
	f.StringVar(&r.writeSettings, "write-settings", "", "with --from: write the settings to this `FILE`, which must not be there yet")
	_ = cmd.RegisterFlagCompletionFunc("runner", r.completeRunners) // it is there
	return cmd
}

// completeRunners offers the names of the sections in --from's file to a shell.
func (r *registration) completeRunners(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if f, err := runnerconfig.Read(r.from, ""); err == nil && r.from != "" {
		for _, s := range f.Runners {
			names = append(names, s.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (r *registration) run() error {
	if r.from == "" && (r.runner != "" || r.writeSettings != "") {
		return fault.System(errors.New("--runner and --write-settings are about --from"), "add --from "+runnerconfig.SystemPath)
	}
	n := runnerconfig.New{Name: r.name, URL: r.url}
	var old *runnerconfig.Conversion
	var s config.Settings
	var err error
	if r.from != "" {
		if old, err = r.convert(); err != nil {
			return err
		}
		if s, err = config.Parse("dind.toml", []byte(old.Settings)); err != nil {
			return err
		}
		n.Name, n.URL, n.Carried = cmp.Or(n.Name, old.NewName), cmp.Or(n.URL, old.URL), old.Section
		n.Settings = r.writeSettings
	} else {
		if s, err = r.c.load(); err != nil {
			return err
		}
		n.Settings = r.c.settingsFile
	}
	n.Name, n.URL = cmp.Or(n.Name, r.theOne(), "docker builds"), cmp.Or(n.URL, r.c.env["CI_SERVER_URL"])
	if err := runnerconfig.CheckURL(n.URL); n.URL != "" && err != nil {
		return err
	}
	n.Needs = runnerconfig.NeedsOf(s, n.Settings)
	if err := r.places(&n); err != nil {
		return err
	}
	token, err := r.token()
	if err != nil {
		return err
	}
	n.Token = cmp.Or(token, runnerconfig.Placeholder)
	if r.write == "" {
		n.URL = cmp.Or(n.URL, runnerconfig.PlaceholderURL)
		return r.print(n, old)
	}
	return r.merge(n, old)
}

// errNoURL refuses a new section without a URL: it would show its token to a host that
// nobody named.
var errNoURL = fault.System(errors.New("a new section needs the URL of GitLab"), "add --url https://gitlab.mycompany.com; nothing was changed")

// theOne returns the name of the only section that already calls this program.
func (r *registration) theOne() string {
	if r.write == "" {
		return ""
	}
	f, err := runnerconfig.Read(r.write, "")
	if err != nil {
		return "" // the merge tells
	}
	if ours := f.Ours(func(string) runnerconfig.Executable { return runnerconfig.Unknown }); len(ours) == 1 {
		return ours[0].Name
	}
	return ""
}

// places makes the section's paths absolute: the Runner calls hooks from the job's own
// directory.
func (r *registration) places(n *runnerconfig.New) error {
	var err error
	if n.Exec = r.executable; n.Exec == "" {
		if n.Exec, err = os.Executable(); err != nil {
			return fmt.Errorf("where this program is: %w", err)
		}
	}
	if n.Exec, err = filepath.Abs(n.Exec); err != nil {
		return err
	}
	if n.Settings == config.DefaultPath {
		n.Settings = ""
	}
	if n.Settings != "" {
		n.Settings, err = filepath.Abs(n.Settings)
	}
	return err
}

func (r *registration) token() (string, error) {
	token := r.c.env["CI_SERVER_TOKEN"]
	if r.tokenFile != "" {
		b, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return "", fault.System(fmt.Errorf("the runner's token: %w", err), "name a file that holds the token alone")
		}
		token = strings.TrimSpace(string(b))
	}
	if strings.ContainsAny(token, " \t\r\n") || len(token) > 1024 {
		return "", fault.System(errors.New("the runner's token: the file holds more than a token"), "name a file that holds the token alone")
	}
	return token, nil
}

// merge writes the section and, if asked, the settings.
func (r *registration) merge(n runnerconfig.New, old *runnerconfig.Conversion) error {
	before, err := runnerconfig.Source(r.write)
	if errors.Is(err, fs.ErrNotExist) {
		before, err = nil, nil
	}
	if err != nil {
		return err
	}
	text := before
	if before == nil {
		text = []byte(fmt.Sprintf("concurrent = %d\n", hostConcurrent()))
	}
	merged, there, err := runnerconfig.Merge(r.write, text, n)
	switch {
	case err != nil:
		return err
	case !there && n.URL == "":
		return errNoURL
	}
	var notes []runnerconfig.Note
	if old != nil {
		if notes, err = old.ReportOf(r.write, merged, n.Name); err != nil {
			return err
		}
	}
	if r.writeSettings != "" {
		if err := runnerconfig.Write(r.writeSettings, nil, []byte(settingsOf(old, r.from, old.Settings))); err != nil {
			return err
		}
	}
	if err := runnerconfig.Write(r.write, before, merged); err != nil {
		if r.writeSettings != "" {
			_ = os.Remove(r.writeSettings) // nobody reads them
		}
		return err
	}
	if r.writeSettings != "" {
		fmt.Fprintf(r.c.stdout, "wrote %s\n", r.writeSettings)
	}
	if there {
		fmt.Fprintf(r.c.stdout, "set the hooks of runner %q in %s; its token and all else stay\n", n.Name, r.write)
	} else {
		fmt.Fprintf(r.c.stdout, "added runner %q to %s\n", n.Name, r.write)
	}
	if old != nil {
		if r.writeSettings == "" && old.Settings != "" {
			fmt.Fprintf(r.c.stdout, "\nsettings that go with it, for %s:\n%s\n%s", config.DefaultPath, leftOut(old), old.Shown)
		}
		r.tell(old.Name, notes, "")
	}
	if lacksToken := n.Token == runnerconfig.Placeholder; !there && lacksToken || old != nil {
		r.advise(n, old, lacksToken && !there, "")
	}
	return nil
}

// print shows the text that merge would write. All of the text except the settings is a
// config.toml.
func (r *registration) print(n runnerconfig.New, old *runnerconfig.Conversion) error {
	section, err := n.Shown().Text()
	if err != nil {
		return err
	}
	fmt.Fprintf(r.c.stdout, "# For %s; with --write FILE it is put there.\n", runnerconfig.SystemPath)
	if old != nil {
		fmt.Fprintln(r.c.stdout, "# Values of variables and secrets are left out here; --write and --write-settings take them over.")
	}
	fmt.Fprintln(r.c.stdout, section)
	if old != nil {
		result := maps.Clone(old.Section)
		result["url"] = n.URL
		notes, err := old.Report(result)
		if err != nil {
			return err
		}
		r.tell(old.Name, notes, "# ")
	}
	r.advise(n, old, true, "# ")
	if old == nil {
		return nil
	}
	if r.writeSettings != "" {
		if err := runnerconfig.Write(r.writeSettings, nil, []byte(settingsOf(old, r.from, old.Settings))); err != nil {
			return err
		}
		fmt.Fprintf(r.c.stdout, "\n# wrote %s\n", r.writeSettings)
		return nil
	}
	fmt.Fprintf(r.c.stdout, "\n# For %s:\n%s", config.DefaultPath, settingsOf(old, r.from, old.Shown))
	return nil
}

// advise lists the admin's next steps. lacksToken tells whether the section has no token.
func (r *registration) advise(n runnerconfig.New, old *runnerconfig.Conversion, lacksToken bool, prefix string) {
	tag := "dind"
	if old != nil {
		tag = "dind-canary"
	}
	lines := []string{"", "Which jobs come here is decided by tags."}
	if lacksToken {
		lines = append(lines,
			"Create a runner in GitLab (Settings > CI/CD > Runners of a project or group, or the admin",
			"area) with the tag "+tag+", without untagged jobs, and put its token (glrt-...) in place of",
			runnerconfig.Placeholder+". A token belongs to one section: another's does not serve.")
	}
	if old != nil {
		lines = append(lines,
			"",
			"Then try one pipeline: write tags: ["+tag+"] in a job, look at its log, and move the others",
			"by their tags. The old runner stays until you take it away; docs/migrating.md has the way.")
	} else {
		lines = append(lines, "Jobs that build images say tags: ["+tag+"].")
	}
	lines = append(lines, "",
		fmt.Sprintf("concurrent, at the top of the file, is for all runners together: %d suits this host", hostConcurrent()),
		"(a core and 2 GB for each job).",
		"",
		n.Exec+" doctor checks it all.")
	for _, l := range lines {
		fmt.Fprintln(r.c.stdout, strings.TrimRight(prefix+l, " "))
	}
}

// hostConcurrent is the number of jobs that this host bears well at once.
func hostConcurrent() int {
	return doctor.Concurrent(runtime.NumCPU(), host.Memory())
}
