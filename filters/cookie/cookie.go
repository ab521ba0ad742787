// Package cookie reads the request header cookie (RFC 6265 section 4.2), as all of those do who may read it behind the
// proxy.
//
// Pairs are separated by semicolons; readers that go back to RFC 2965 take a comma for a separator, too. A cookie that
// only they see is found here as well, so that nobody can hide one. What is between the separators is data: quotes do
// not make a text of one, which some readers think and browsers do not.
package cookie

import (
	"errors"
	"strings"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// Header is the header's name.
const Header = "cookie"

// ErrName is a cookie whose name some readers take for another: they decode escapes in it, or leave out what is no ASCII
// around it, NBSP for example.
var ErrName = errors.New("the name of a cookie is another to some readers")

// Values calls yield for each value of a cookie in a header's value, in order, until yield returns false. Names are
// compared as they are; ErrName is one that is not equal, but to some readers. Quotes around a value are left out, as
// most readers do.
func Values(header, name string, yield func(value string) bool) error {
	for rest := header; rest != ""; {
		var pair string
		pair, _, rest = next(rest)
		switch value, ok := valueOf(pair, name); {
		case ok && !yield(value):
			return nil
		case !ok && isNearly(pair, name):
			return ErrName
		}
	}
	return nil
}

// isNearly tells whether some readers take a pair for one of this name.
func isNearly(pair, name string) bool {
	key, _, ok := strings.Cut(pair, "=")
	if !ok {
		return false
	}
	key = strings.TrimFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f })
	n := 0
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c == '%' && i+2 < len(key) {
			high, ok := ascii.Hex(key[i+1])
			low, ok2 := ascii.Hex(key[i+2])
			if ok && ok2 {
				c, i = high<<4|low, i+2
			}
		}
		if n == len(name) || name[n] != c {
			return false
		}
		n++
	}
	return n == len(name)
}

// Without is a header's value without the cookies of some names; found tells whether there were any. What is left stays
// as it was.
func Without(header string, names []string) (rest string, found bool) {
	var b strings.Builder
	for left := header; left != ""; {
		var pair, separator string
		pair, separator, left = next(left)
		if isOneOf(pair, names) {
			found = true
			continue
		}
		b.WriteString(pair)
		b.WriteString(separator)
	}
	if !found {
		return header, false
	}
	return strings.Trim(b.String(), "; ,\t"), true
}

// next cuts at the first separator.
func next(text string) (pair, separator, rest string) {
	i := strings.IndexAny(text, ";,")
	if i < 0 {
		return text, "", ""
	}
	return text[:i], text[i : i+1], text[i+1:]
}

func isOneOf(pair string, names []string) bool {
	for _, name := range names {
		if _, ok := valueOf(pair, name); ok {
			return true
		}
	}
	return false
}

func valueOf(pair, name string) (string, bool) {
	const space = " \t"
	key, value, ok := strings.Cut(pair, "=")
	if !ok || strings.Trim(key, space) != name {
		return "", false
	}
	value = strings.Trim(value, space)
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return value, true
}
