package plan

import (
	"slices"
	"strings"

	"gitlab-dind-executor/config"
)

// The names of a proxy's variables. Programs differ in the case of letters that they read,
// and in the case that they prefer.
const (
	httpProxy  = "http_proxy"
	httpsProxy = "https_proxy"
	allProxy   = "all_proxy"
	noProxy    = "no_proxy"
)

// ProxyVariables are all names, in both cases of letters.
var ProxyVariables = bothCases(httpProxy, httpsProxy, allProxy, noProxy)

func bothCases(names ...string) []string {
	var both []string
	for _, n := range names {
		both = append(both, strings.ToUpper(n), n)
	}
	return both
}

// proxies returns the variables by which a container finds the settings' proxies. own are
// variables that the container has anyway; their proxies win. If either source has a proxy,
// NO_PROXY gets the hosts in direct: otherwise a docker client would ask the proxy for its
// own daemon. The result comes last in an environment, because it changes own values.
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

// withDirect adds missing hosts to the value of a NO_PROXY.
func withDirect(value string, direct []string) string {
	list := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	for _, d := range direct {
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	return strings.Join(list, ",")
}

// direct returns the hosts that sandboxes reach without a proxy: their own networks, and
// names.
func (pl *planner) direct(names []string) []string {
	n := pl.s.Network
	list := append(slices.Clone(names), "localhost", "127.0.0.1", n.Pool.String())
	if n.IPv6 {
		list = append(list, "::1", n.Pool6.String())
	}
	return list
}

// ownProxies returns the variables that name proxies.
func ownProxies(variables []Variable, publicOnly bool) map[string]string {
	own := map[string]string{}
	for _, v := range variables {
		if slices.Contains(ProxyVariables, v.Key) && (v.Public || !publicOnly) {
			own[v.Key] = v.Value
		}
	}
	return own
}

// firstCommand begins the first line of a pipeline's own script, which the Runner prints in
// green. Only the Runner's own lines precede it.
const firstCommand = "[32;1m"

// ExportDirect changes a script of the Runner that exports the job's own NO_PROXY over the
// container's. The script then adds the hosts of direct. A docker client reads this
// variable alone, so there is no other way.
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

// behindExports inserts text behind each "export NAME=" at the beginning of a line.
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
		// The Runner quotes a script as a whole for an eval, so a line ends in the two
		// letters \n. In texts quoted within the script the same end is \\n.
		if strings.HasSuffix(before, "\n") || strings.HasSuffix(before, `\n`) && !strings.HasSuffix(before, `\\n`) {
			out.WriteString(text)
		}
	}
}
