package waf

import (
	"strconv"
	"strings"
)

// ruleText is what the text of a directive tells of the rule that it makes, without the engine.
type ruleText struct {
	id        int // 0: a chained rule, or none
	phase     int
	tags      []string
	variables string // as written: "REQUEST_HEADERS:Host|ARGS"; "" of a SecAction
	operator  string // "@rx ^a"; "" of a SecAction
	actions   []string
}

// readRule reads a SecRule or SecAction; ok is false of any other directive. Both end in a list of actions in quotes.
func readRule(d *directive) (r ruleText, ok bool) {
	isRule := d.is("SecRule")
	if !isRule && !d.is("SecAction") {
		return r, false
	}
	options := strings.ReplaceAll(d.text, "\\\n", "")
	_, options, _ = strings.Cut(options, " ")
	options = strings.TrimSpace(options)
	if isRule {
		var rest string
		r.variables, rest, _ = strings.Cut(options, " ")
		r.operator = quoted(strings.TrimLeft(rest, " "))
	}
	end := strings.LastIndexByte(options, '"')
	if end <= 0 {
		return r, true
	}
	start := end - 1
	for start >= 0 && (options[start] != '"' || start > 0 && options[start-1] == '\\') {
		start--
	}
	r.phase = 2 // Coraza's default
	r.actions = splitActions(options[start+1 : end])
	for _, action := range r.actions {
		name, value, _ := strings.Cut(action, ":")
		value = strings.Trim(strings.TrimSpace(value), "'")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "id":
			r.id, _ = strconv.Atoi(value)
		case "tag":
			r.tags = append(r.tags, value)
		case "phase":
			r.phase = phaseNumber(value)
		}
	}
	return r, true
}

// quoted is what a text in quotes begins with, between them: a quote in it has an odd number of backslashes before it, one of which
// belongs to it.
func quoted(text string) string {
	if text == "" || text[0] != '"' {
		return ""
	}
	backslashes := 0
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			backslashes++
			continue
		case text[i] == '"' && backslashes%2 == 0:
			return strings.ReplaceAll(text[1:i], `\"`, `"`)
		}
		backslashes = 0
	}
	return ""
}

func phaseNumber(s string) int {
	switch strings.ToLower(s) {
	case "request":
		return 2
	case "response":
		return 4
	case "logging":
		return 5
	}
	n, _ := strconv.Atoi(s)
	return n
}

// splitActions cuts a list of actions at the commas that are not in single quotes.
func splitActions(s string) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}
