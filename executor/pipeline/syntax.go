package pipeline

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// syntaxError is the parser's error in one line.
func syntaxError(file string, err error) error {
	var e interface {
		GetToken() *token.Token
		GetMessage() string
	}
	line, text := 1, err.Error()
	if errors.As(err, &e) {
		text = e.GetMessage()
		if t := e.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
	}
	text, _, _ = strings.Cut(text, "\n")
	hint := "look at this line and the one before: indentation, quotes, a missing colon or dash"
	if strings.Contains(text, "tab") || strings.Contains(err.Error(), "\t") {
		hint = "YAML is indented by spaces, not by tabs"
	}
	return faultAt(file, line, hint, "invalid YAML: %s", text)
}

// tooDeep finds the line at which brackets or dashes are nested so deeply that
// the parser would need too much memory.
func tooDeep(text []byte) (line int) {
	const most = 1000
	open, run := 0, 0
	line = 1
	for _, b := range text {
		switch b {
		case '\n':
			line++
			run = 0
		case '[', '{':
			open++
		case ']', '}':
			open = max(0, open-1)
		case '-', '?', ':', '&', '*', '!':
			run++
		case ' ', '\t', '\r':
		default:
			run = 0
		}
		if open > most || run > most {
			return line
		}
	}
	return 0
}
