package diagnosis

// shellSays begins an error of bash, dash and busybox, in a script or without.
const shellSays = `[\w./+-]*(?:sh|bash|ash|dash|[\w-]*step_script|\.sh|make)(?:: (?:line )?\d+)?(?:: eval)?(?:: (?:line )?\d+)?: `

// shellRows are errors of a shell that did not get as far as docker.
var shellRows = []row{
	{
		name:    "windows-line-ends",
		section: `$'\r': command not found`,
		shows: anyOf(
			shellSays+`\$'(?P<word>[^']*)\\r': command not found$`,
			shellSays+`(?:[^\s]+: )?(?:line \d+: )?[^\s]*\^M: (?:command )?not found$`,
			`docker: '[^']*\^M' is not a docker command\.$`,
			shellSays+`(?:[^\s]+: )?[^\s]*\^M: bad interpreter: No such file or directory$`,
			`(?:/usr/bin/)?env: (?:can't execute )?['‘]?[\w./-]+(?:\\r|\^M)['’]?: No such file or directory$`,
			shellSays+`(?:[^\s]+: )?set: [\w-]*\^M: invalid option(?: name)?$`,
			shellSays+"(?:[^\\s]+: )?syntax error near unexpected token [`']\\$'[^']*\\\\r''$",
		),
		line: "a script has line ends of Windows (CR LF), and the shell takes the CR for a part of words",
		hint: "store the script with line ends of Unix: *.sh text eol=lf in .gitattributes, or sed -i 's/\\r$//' before it runs",
	},
	{
		name:    "too-long",
		section: "argument list too long",
		shows: anyOf(
			shellSays+`(?P<program>[^\s:]+): Argument list too long$`,
			daemonSays+`.*: argument list too long`+end,
			buildSays+`.*: argument list too long$`,
			`exec (?P<program>[^\s]+): argument list too long$`,
		),
		stepShows: anyOf(shellSays+`(?P<program>[^\s:]+): Argument list too long$`, `exec (?P<program>[^\s]+): argument list too long$`),
		line:      "the kernel does not start {program|a program} with so much in arguments and environment",
		hint:      "one argument or variable may have 128 KB: keep large values in files, and hand long lists over by xargs",
	},
}
