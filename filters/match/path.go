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
)

const (
	anySegment = "{*}"
	anyRest    = "{**}"
)

// Path is a compiled path pattern: a string form, or a template of segments in which {*} is one
// non-empty segment and {**} any rest, also an empty one.
type Path struct {
	text     String
	template []string // segments; nil for a string form
	rest     int      // index of {**} in template, or -1
}

// ParsePath compiles a pattern.
func ParsePath(pattern string) (Path, error) {
	if strings.IndexByte(pattern, '{') < 0 && strings.IndexByte(pattern, '}') < 0 {
		s, err := ParseString(pattern)
		if err != nil {
			return Path{}, errors.New(err.Error() + "; one segment of any name is {*}")
		}
		return Path{text: s}, nil
	}
	p := Path{template: strings.Split(pattern, "/"), rest: -1}
	for i, segment := range p.template {
		switch {
		case p.rest >= 0 && (segment == anySegment || segment == anyRest):
			return Path{}, ErrOperatorLast
		case segment == anyRest:
			p.rest = i
		case segment == anySegment:
		case strings.ContainsAny(segment, "{}"):
			return Path{}, ErrOperator
		case strings.IndexByte(segment, '*') >= 0:
			return Path{}, ErrTemplateStar
		}
	}
	return p, nil
}

// Match tells whether a path, without query and in normal form, matches.
func (p Path) Match(path string) bool {
	if p.template == nil {
		return p.text.Match(path)
	}
	if p.rest < 0 {
		return matchSegments(p.template, path, true)
	}
	head, tail := p.template[:p.rest], p.template[p.rest+1:]
	// What {**} stands for is at least one segment, if an empty one: "/a/{**}" is "/a/" and below, not "/a".
	n := strings.Count(path, "/") + 1
	if n < len(head)+1+len(tail) || !matchSegments(head, path, false) {
		return false
	}
	if len(tail) == 0 {
		return true
	}
	at := len(path)
	for range tail {
		at = strings.LastIndexByte(path[:at], '/')
	}
	return matchSegments(tail, path[at+1:], true)
}

// String is the pattern as written.
func (p Path) String() string {
	if p.template == nil {
		return p.text.String()
	}
	return strings.Join(p.template, "/")
}

// matchSegments compares the leading segments of path; whole demands that there are no more.
func matchSegments(template []string, path string, whole bool) bool {
	more := true
	for _, want := range template {
		if !more {
			return false
		}
		var segment string
		segment, path, more = strings.Cut(path, "/")
		if want == anySegment {
			if segment == "" {
				return false
			}
		} else if segment != want {
			return false
		}
	}
	return !whole || !more
}
