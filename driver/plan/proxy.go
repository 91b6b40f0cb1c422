package plan

import (
	"slices"
	"strings"

	"gitlab-dind-executor/config"
)

// The names of a proxy's variables. Programs differ in which case of letters
// they look for, and in which they prefer.
const (
	httpProxy  = "http_proxy"
	httpsProxy = "https_proxy"
	allProxy   = "all_proxy"
	noProxy    = "no_proxy"
)

// ProxyVariables are all of them, in both cases of letters.
var ProxyVariables = bothCases(httpProxy, httpsProxy, allProxy, noProxy)

func bothCases(names ...string) []string {
	var both []string
	for _, n := range names {
		both = append(both, strings.ToUpper(n), n)
	}
	return both
}

// proxies returns the variables by which a container finds the settings'
// proxies, where own, the variables that it has anyway, name none. Where there
// is a proxy at all, from either, what must be reached directly is added to
// what is: a docker client would ask the proxy for its own daemon. These come
// last in an environment, since they change own values.
func proxies(s config.Proxy, own map[string]string, direct []string) []string {
	var env []string
	proxied := false
	for _, p := range []struct{ name, value string }{{httpProxy, s.HTTP}, {httpsProxy, s.HTTPS}, {allProxy, ""}} {
		names := bothCases(p.name)
		set := slices.ContainsFunc(names, func(n string) bool { _, ok := own[n]; return ok })
		for _, n := range names {
			switch {
			case set:
				proxied = proxied || own[n] != ""
			case p.value != "":
				env = append(env, n+"="+p.value)
				proxied = true
			}
		}
	}
	if !proxied {
		return nil
	}
	upper, lower := strings.ToUpper(noProxy), noProxy
	for _, n := range [][2]string{{upper, lower}, {lower, upper}} {
		value, set := own[n[0]]
		if !set {
			value, set = own[n[1]]
		}
		if !set {
			value = s.NoProxy
		}
		env = append(env, n[0]+"="+withDirect(value, direct))
	}
	return env
}

// withDirect adds to the value of a NO_PROXY what it lacks.
func withDirect(value string, direct []string) string {
	list := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	for _, d := range direct {
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return strings.Join(list, ",")
}

// direct is what sandboxes reach without a proxy: themselves, and names.
func (pl *planner) direct(names []string) []string {
	n := pl.s.Network
	list := append(slices.Clone(names), "localhost", "127.0.0.1", n.Pool.String())
	if n.IPv6 {
		list = append(list, "::1", n.Pool6.String())
	}
	return list
}

// ownProxies are those among variables that name proxies.
func ownProxies(variables []Variable, publicOnly bool) map[string]string {
	own := map[string]string{}
	for _, v := range variables {
		if slices.Contains(ProxyVariables, v.Key) && (v.Public || !publicOnly) {
			own[v.Key] = v.Value
		}
	}
	return own
}

// firstCommand is how the Runner announces the first line of a pipeline's own
// script, in green; before it stands what the Runner itself has to say.
const firstCommand = "[32;1m"

// ExportDirect makes a script of the Runner, which exports the job's own
// NO_PROXY over the container's, add what the container has for it besides.
// There is no other way: a docker client reads that variable alone.
func ExportDirect(script []byte, direct string) []byte {
	if direct == "" {
		return script
	}
	head, rest := string(script), ""
	if i := strings.Index(head, firstCommand); i >= 0 {
		head, rest = head[:i], head[i:]
	}
	for _, name := range bothCases(noProxy) {
		head = behindExports(head, name, direct+",")
	}
	return []byte(head + rest)
}

// behindExports puts text behind each "export NAME=" that begins a line.
func behindExports(script, name, text string) string {
	export := "export " + name + "="
	var out strings.Builder
	for {
		i := strings.Index(script, export)
		if i < 0 {
			return out.String() + script
		}
		before := script[:i]
		script = script[i+len(export):]
		out.WriteString(before + export)
		// The Runner quotes a script to be evaluated as a whole, so that a line's
		// end is \n in letters; in what is quoted within it is \\n.
		if strings.HasSuffix(before, "\n") || strings.HasSuffix(before, `\n`) && !strings.HasSuffix(before, `\\n`) {
			out.WriteString(text)
		}
	}
}
