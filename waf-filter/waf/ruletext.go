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

// readRule reads a SecRule or SecAction as the engine does; ok is false of any other directive.
func readRule(d *directive) (r ruleText, ok bool) {
	isRule := d.is("SecRule")
	if !isRule && !d.is("SecAction") {
		return r, false
	}
	text := strings.ReplaceAll(d.text, "\\\n", "")
	if isRule {
		_, options, _ := strings.Cut(text, " ")
		var rest string
		r.variables, rest, _ = strings.Cut(strings.Trim(options, " "), " ")
		r.operator, _ = quoted(strings.TrimLeft(rest, " "))
		r.operator = strings.ReplaceAll(r.operator, `\"`, `"`)
	}
	start, end := actionsOf(text)
	if start == end {
		return r, true
	}
	r.phase = 2 // Coraza's default
	r.actions = splitActions(text[start:end])
	for _, action := range r.actions {
		switch name, value := readAction(action); name {
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

// actionsOf is where the actions of a rule are, whose lines are joined: of a SecRule all that is between the quotes behind its operator,
// whatever other quotes are in it; a SecAction needs none.
func actionsOf(text string) (start, end int) {
	name, _, _ := strings.Cut(text, " ")
	start, end = min(len(name)+1, len(text)), len(text)
	if strings.EqualFold(name, "SecRule") {
		_, rest, _ := strings.Cut(strings.Trim(text[start:], " "), " ")
		_, rest = quoted(strings.TrimLeft(rest, " "))
		rest = strings.Trim(rest, " ")
		if len(rest) < 2 || rest[0] != '"' || rest[len(rest)-1] != '"' {
			return 0, 0
		}
		end = len(strings.TrimRight(text, " ")) - 1
		return end - len(rest) + 2, end
	}
	for start < end && text[start] == ' ' {
		start++
	}
	for end-start > 2 && text[start] == '"' && text[end-1] == '"' {
		start, end = start+1, end-1
	}
	if end-start >= 2 && text[start] == '\'' && text[end-1] == '\'' {
		start, end = start+1, end-1
	}
	return start, end
}

// quoted is what a text in quotes begins with, between them, and what is behind: a quote in it has an odd number of backslashes before
// it, one of which belongs to it.
func quoted(text string) (inner, rest string) {
	if text == "" || text[0] != '"' {
		return "", ""
	}
	backslashes := 0
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			backslashes++
			continue
		case text[i] == '"' && backslashes%2 == 0:
			return text[1:i], text[i+1:]
		}
		backslashes = 0
	}
	return "", ""
}

// readAction is an action's name in lower case, and its value without quotes.
func readAction(action string) (name, value string) {
	name, value, _ = strings.Cut(action, ":")
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && (value[0] == '\'' || value[0] == '"') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return strings.ToLower(strings.TrimSpace(name)), value
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

// splitActions cuts a list of actions at the commas that are not in single quotes. A backslash takes its meaning from what is behind it,
// even if that backslash is behind another one: so the engine reads them.
func splitActions(s string) []string {
	var out []string
	start, quoted := 0, false
	for i := 1; i < len(s); i++ {
		switch {
		case s[i-1] == '\\':
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}
