package waf

import (
	"strconv"
	"strings"
)

// directive is one directive with where it stands.
type directive struct {
	text string // its lines, trimmed, as the engine reads them
	item int    // element of the author's list
	line int    // of the element, from 1
	file string // the rule file that the element includes; "": the author's own words
	from int    // line of the file
	top  string // what the Include names that brought it in; "" if its author, or a profile, has written the directive itself
}

// name is the directive's own, as "SecRule".
func (d *directive) name() string {
	name, _, _ := strings.Cut(d.text, " ")
	return name
}

// options are what follows the name, lines joined as the engine joins them.
func (d *directive) options() string {
	_, options, _ := strings.Cut(strings.ReplaceAll(d.text, "\\\n", ""), " ")
	options = strings.TrimSpace(options)
	if len(options) >= 3 && options[0] == '"' && options[len(options)-1] == '"' {
		options = strings.Trim(options, `"`)
	}
	return options
}

// is tells whether the directive has this name; names of directives ignore case.
func (d *directive) is(name string) bool { return strings.EqualFold(d.name(), name) }

// place is where the directive stands, for a person.
func (d *directive) place() string {
	at := "line " + strconv.Itoa(d.line)
	if d.file != "" {
		at += ", in " + d.file + " line " + strconv.Itoa(d.from)
	}
	return at
}

// faulty is a directive that cannot be taken, and why.
type faulty struct {
	directive
	why string
}

// maxLine is what the engine's reader takes in one line. It stops without a word at a longer one, and with it would
// go every rule behind.
const maxLine = 64<<10 - 1

// maxDepth bounds files that include files.
const maxDepth = 8

// expand reads a list of directives and puts the rule files that it includes in place. The elements of a list are one
// text: a directive may go on in the next element.
func expand(list []string) ([]directive, *faulty) {
	var out []directive
	bad := split(list, func(d directive) *faulty { return resolve(d, 0, &out) })
	return out, bad
}

// resolve appends a directive, or those of the files that it includes.
func resolve(d directive, depth int, out *[]directive) *faulty {
	if !d.is("Include") {
		*out = append(*out, d)
		return nil
	}
	if depth == maxDepth {
		return &faulty{d, "rule files include each other"}
	}
	files, err := includes(d.options())
	if err != nil {
		return &faulty{d, err.Error()}
	}
	for _, f := range files {
		bad := split([]string{f.text}, func(inner directive) *faulty {
			inner.file, inner.from = f.name, inner.line
			inner.item, inner.line = d.item, d.line
			if inner.top = d.top; inner.top == "" && !f.profile {
				inner.top = d.options()
			}
			return resolve(inner, depth+1, out)
		})
		if bad != nil {
			return bad
		}
	}
	return nil
}

// split cuts a text into directives as Coraza's parser does: lines that are empty or comments do not count, a backslash
// at its end carries a line on, and from a line that ends in a backtick to one that begins with it all is one directive.
func split(list []string, yield func(directive) *faulty) *faulty {
	var d directive
	var text strings.Builder
	quoted, open := false, false
	for item, element := range list {
		for number, line := range strings.Split(element, "\n") {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			if text.Len() == 0 {
				d = directive{item: item, line: number + 1}
			} else {
				text.WriteByte('\n')
			}
			text.WriteString(line)
			if len(line) > maxLine {
				d.text = text.String()[:80] + "..."
				return &faulty{d, "a line has more than " + strconv.Itoa(maxLine) + " bytes; carry it on with a backslash at the end"}
			}
			switch {
			case !quoted && line[len(line)-1] == '`':
				quoted = true
			case quoted && line[0] == '`':
				quoted = false
			}
			if open = quoted || line[len(line)-1] == '\\'; open {
				continue
			}
			d.text = text.String()
			text.Reset()
			if bad := yield(d); bad != nil {
				return bad
			}
		}
	}
	if open {
		d.text = text.String()
		return &faulty{d, "the directive does not end: its last line ends in a backslash, or a backtick is open"}
	}
	return nil
}
