package match

import (
	"errors"
	"strings"
)

// Errors of ParsePath.
var (
	ErrOperator     = errors.New("a template operator is {*} or {**} and takes a whole segment; no other brace may occur")
	ErrOperatorLast = errors.New("{**} occurs at most once and is the last operator")
	ErrTemplateStar = errors.New("a template has no '*' outside its operators {*} and {**}")

	ErrTemplateLength = errors.New("a template has at most 8192 bytes")
)

const (
	anySegment = "{*}"
	anyRest    = "{**}"
)

// Path is a compiled path pattern: a string form, or a template of segments in which {*} is one
// non-empty segment and {**} any rest, also an empty one.
type Path struct {
	text     String
	template bool
	rest     bool   // the template has {**}
	slashes  uint16 // in the template
	head     string // the segments before {**}, or all
	tail     string // those behind it; "" if it is the last
}

// maxTemplate bounds a template's length, and so its segments.
const maxTemplate = 8 << 10

// ParsePath compiles a pattern.
func ParsePath(pattern string) (Path, error) {
	if strings.IndexByte(pattern, '{') < 0 && strings.IndexByte(pattern, '}') < 0 {
		s, err := ParseString(pattern)
		if err != nil {
			return Path{}, errors.New(err.Error() + "; one segment of any name is {*}")
		}
		return Path{text: s}, nil
	}
	if len(pattern) > maxTemplate {
		return Path{}, ErrTemplateLength
	}
	p := Path{template: true, head: pattern, slashes: uint16(strings.Count(pattern, "/"))}
	for at, more := 0, true; more; {
		segment, _, found := strings.Cut(pattern[at:], "/")
		switch {
		case p.rest && (segment == anySegment || segment == anyRest):
			return Path{}, ErrOperatorLast
		case segment == anyRest:
			p.rest = true
			p.head, p.tail = strings.TrimSuffix(pattern[:at], "/"), strings.TrimPrefix(pattern[at+len(anyRest):], "/")
		case segment == anySegment:
		case strings.ContainsAny(segment, "{}"):
			return Path{}, ErrOperator
		case strings.IndexByte(segment, '*') >= 0:
			return Path{}, ErrTemplateStar
		}
		at, more = at+len(segment)+1, found
	}
	return p, nil
}

// Match tells whether a path, without query and in normal form, matches.
func (p Path) Match(path string) bool {
	if !p.template {
		return p.text.Match(path)
	}
	if !p.rest {
		return matchSegments(p.head, path, true)
	}
	// What {**} stands for is at least one segment, if an empty one: "/a/{**}" is "/a/" and below, not "/a".
	if strings.Count(path, "/") < int(p.slashes) || !matchSegments(p.head, path, false) {
		return false
	}
	if p.tail == "" && !p.hasTail() {
		return true
	}
	at := len(path)
	for range strings.Count(p.tail, "/") + 1 {
		at = strings.LastIndexByte(path[:at], '/')
	}
	return matchSegments(p.tail, path[at+1:], true)
}

// hasTail tells whether there is a segment behind {**}, if an empty one.
func (p Path) hasTail() bool {
	return int(p.slashes) > strings.Count(p.head, "/")+1
}

// String is the pattern as written.
func (p Path) String() string {
	switch {
	case !p.template:
		return p.text.String()
	case !p.rest:
		return p.head
	case p.hasTail():
		return p.head + "/" + anyRest + "/" + p.tail
	}
	return p.head + "/" + anyRest
}

// matchSegments compares the leading segments of path; whole demands that there are no more.
func matchSegments(template, path string, whole bool) bool {
	for {
		want, templateRest, moreWanted := strings.Cut(template, "/")
		segment, pathRest, more := strings.Cut(path, "/")
		if want == anySegment {
			if segment == "" {
				return false
			}
		} else if segment != want {
			return false
		}
		if !moreWanted {
			return !whole || !more
		}
		if !more {
			return false
		}
		template, path = templateRest, pathRest
	}
}
