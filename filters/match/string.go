// Package match holds the matching that all filters share: strings as Istio writes them, hosts, paths,
// path templates and the normal form of paths. Patterns are compiled once; matching does not allocate.
package match

import (
	"errors"
	"strings"
)

// ErrStar is a pattern with a '*' that is neither its first nor its last character. Istio would compare
// it literally; whoever writes it means a wildcard, and a DENY that silently never matches is a hole.
var ErrStar = errors.New("a '*' stands only at the start or at the end of a pattern")

type stringKind uint8

const (
	equal stringKind = iota
	prefix
	suffix
	notEmpty
)

// String is a compiled string pattern: "x" equal, "x*" prefix, "*x" suffix, "*" present and not empty.
type String struct {
	kind stringKind
	text string
}

// ParseString compiles a pattern.
func ParseString(pattern string) (String, error) {
	s := String{kind: equal, text: pattern}
	switch {
	case pattern == "*":
		s = String{kind: notEmpty}
	case strings.HasSuffix(pattern, "*"):
		s = String{kind: prefix, text: pattern[:len(pattern)-1]}
	case strings.HasPrefix(pattern, "*"):
		s = String{kind: suffix, text: pattern[1:]}
	}
	if strings.IndexByte(s.text, '*') >= 0 {
		return String{}, ErrStar
	}
	return s, nil
}

// Match tells whether v matches.
func (s String) Match(v string) bool {
	switch s.kind {
	case equal:
		return v == s.text
	case prefix:
		return strings.HasPrefix(v, s.text)
	case suffix:
		return strings.HasSuffix(v, s.text)
	}
	return v != ""
}

// IsEqual tells whether only one value matches: the pattern itself.
func (s String) IsEqual() bool { return s.kind == equal }

// String is the pattern as written.
func (s String) String() string {
	switch s.kind {
	case prefix:
		return s.text + "*"
	case suffix:
		return "*" + s.text
	case notEmpty:
		return "*"
	}
	return s.text
}
