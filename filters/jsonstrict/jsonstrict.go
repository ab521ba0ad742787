// Package jsonstrict accepts a JSON document only if every reader would read it the same way: valid
// UTF-8, no duplicate member names, no lone surrogates, no number that a float64 does not reach, bounded depth
// (RFC 8259 sections 4 and 6 leave duplicates and such numbers to the reader, which is how two parsers come to
// see two different tokens).
//
// Values are gjson results, so nothing is decoded that nobody asks for.
package jsonstrict

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// MaxDepth bounds nesting. The parser recurses, and a Wasm stack is 64 kB: without the bound, a token
// of brackets would trap the module.
const MaxDepth = 32

// Errors of Parse, in the order they are looked for.
var (
	ErrUTF8      = errors.New("is not valid UTF-8")
	ErrDepth     = errors.New("is nested deeper than 32 levels")
	ErrSyntax    = errors.New("is not valid JSON")
	ErrSurrogate = errors.New("has an escape that is half of a surrogate pair")
	ErrNumber    = errors.New("has a number beyond 1.8e308")
)

// DuplicateError is a member name that occurs twice in one object.
type DuplicateError struct{ Name string }

func (e *DuplicateError) Error() string {
	// Whoever wrote the document may have written a name to forge a log with, or to fill it.
	const longest = 64
	name := e.Name
	if len(name) > longest {
		name = name[:longest]
	}
	return "has the member " + string(AppendString(nil, name)) + " twice"
}

// Parse checks doc as a whole. The result refers to doc's memory: doc must not change afterwards.
func Parse(doc string) (gjson.Result, error) {
	if !utf8.ValidString(doc) {
		return gjson.Result{}, ErrUTF8
	}
	// Before gjson.Valid, because that recurses.
	if err := scan(doc); err != nil {
		return gjson.Result{}, err
	}
	if !gjson.Valid(doc) {
		return gjson.Result{}, ErrSyntax
	}
	if err := values(doc); err != nil {
		return gjson.Result{}, err
	}
	return gjson.Parse(doc), nil
}

func scan(doc string) error {
	depth, inString := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case inString && c == '\\':
			n, err := escape(doc[i:])
			if err != nil {
				return err
			}
			i += n - 1
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return ErrDepth
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// escape returns how many bytes the escape sequence (or surrogate pair) at the start of s takes.
func escape(s string) (int, error) {
	if len(s) < 2 {
		return 0, ErrSyntax
	}
	if s[1] != 'u' {
		return 2, nil
	}
	u, ok := hex4(s)
	switch {
	case !ok:
		return 0, ErrSyntax
	case u >= 0xdc00 && u <= 0xdfff:
		return 0, ErrSurrogate
	case u >= 0xd800 && u <= 0xdbff:
		low, ok := hex4(s[6:])
		if !ok || low < 0xdc00 || low > 0xdfff {
			return 0, ErrSurrogate
		}
		return 12, nil
	}
	return 6, nil
}

// hex4 reads the value of a leading \uXXXX.
func hex4(s string) (uint32, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var u uint32
	for i := 2; i < 6; i++ {
		digit, ok := ascii.Hex(s[i])
		if !ok {
			return 0, false
		}
		u = u<<4 | uint32(digit)
	}
	return u, true
}

// values looks for an object with two members of one name and for a number that is not finite. The document is valid,
// and no deeper than MaxDepth.
func values(doc string) error {
	var names []string // of the objects that are open
	var starts [MaxDepth + 1]int
	depth := 0
	for i := 0; i < len(doc); i++ {
		switch doc[i] {
		case '{', '[':
			depth++
			starts[depth] = len(names)
		case '}', ']':
			if err := distinct(names[starts[depth]:]); err != nil {
				return err
			}
			names = names[:starts[depth]]
			depth--
		case '"':
			end := i + valueEnd(doc[i:])
			if isName(doc[end:]) {
				names = append(names, text(doc[i:end])) // unescaped: "\u0061" and "a" are the same name
			}
			i = end - 1
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			end := i + valueEnd(doc[i:])
			if !isFinite(doc[i:end]) {
				return ErrNumber
			}
			i = end - 1
		}
	}
	return nil
}

// isFinite tells whether a number is one for every reader, where some would take infinity and others refuse the
// document. Without an exponent, it takes 309 digits to get there.
func isFinite(number string) bool {
	if len(number) < 309 && strings.IndexByte(number, 'e') < 0 && strings.IndexByte(number, 'E') < 0 {
		return true
	}
	_, err := strconv.ParseFloat(number, 64)
	return err == nil
}

// isName tells whether a string is a member's name, by what follows it.
func isName(rest string) bool {
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return rest[i] == ':'
		}
	}
	return false
}

// smallObject is up to how many members names are compared pairwise, without sorting.
const smallObject = 16

// distinct may change the order of the names.
func distinct(names []string) error {
	if len(names) > smallObject {
		slices.Sort(names)
		for i := 1; i < len(names); i++ {
			if names[i] == names[i-1] {
				return &DuplicateError{Name: names[i]}
			}
		}
		return nil
	}
	for i := range names {
		if slices.Contains(names[:i], names[i]) {
			return &DuplicateError{Name: names[i]}
		}
	}
	return nil
}
