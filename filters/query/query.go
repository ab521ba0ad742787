// Package query reads the parameters of a request target, if everybody behind the proxy reads the same ones.
//
// Names are compared as they are after decoding. What a framework makes of a name is its own affair: PHP and Rack collect
// "roles[]" and "roles[a]" under "roles", PHP takes "a.b" for "a_b", ASP.NET ignores case. Policy has to name the parameter
// as it is sent.
package query

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// Errors of Values: queries that readers understand in different ways.
var (
	// ErrFragment is a raw '#'. It does not belong on the wire (RFC 9112 section 3.2): Node ends the query there, Go and
	// Python take it for a part of the value, Tomcat refuses it. So does Envoy, unless it is told not to.
	ErrFragment = errors.New("the target has a '#'")
	// ErrSemicolon is a raw ';'. Older Python, Perl and Rack begin a new parameter there; Go refuses the parameter.
	ErrSemicolon = errors.New("the query has a ';'")
	// ErrCharacter is a byte that no URI has (RFC 3986 section 2). Beyond ASCII, Node sees Latin-1, others UTF-8.
	ErrCharacter = errors.New("the query has a space, a control character or a byte beyond ASCII that is not escaped")
	// ErrEscape is a '%' without two hexadecimal digits. Some keep it, some drop it and some drop the parameter.
	ErrEscape = errors.New("the query has a '%' that is not followed by two hexadecimal digits")
	// ErrNUL is "%00", where C code sees the end of the value.
	ErrNUL = errors.New("the query has a NUL")
	// ErrUTF8 is an escaped text that is not UTF-8, which some replace, some keep and some read in another encoding.
	ErrUTF8 = errors.New("the query is not UTF-8 once decoded")
)

// Values calls yield for each value of a parameter, in order, until yield returns false. The target is a path with its
// query, as the client sent it. Names and values are decoded once, as in HTML forms: '+' is a space. A parameter without
// '=' has the value "". On an error, which may be about any parameter, nothing was yielded. Values that have nothing to
// decode are not copied.
func Values(target, name string, yield func(value string) bool) error {
	if strings.IndexByte(target, '#') >= 0 {
		return ErrFragment
	}
	// A second '?' is data to everybody.
	_, query, _ := strings.Cut(target, "?")
	if err := check(query); err != nil {
		return err
	}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue // "a=1&&b=2" has two parameters, not one without a name
		}
		key, value, _ := strings.Cut(pair, "=")
		if isDecoded(key, name) && !yield(decode(value)) {
			return nil
		}
	}
	return nil
}

// Without is the target without the parameters of some names; found tells whether there were any. What is left stays as
// it was. The errors are those of Values.
func Without(target string, names []string) (rest string, found bool, err error) {
	if strings.IndexByte(target, '#') >= 0 {
		return "", false, ErrFragment
	}
	path, query, _ := strings.Cut(target, "?")
	if err := check(query); err != nil {
		return "", false, err
	}
	var b strings.Builder
	b.WriteString(path)
	separator := byte('?')
	for more := query != ""; more; {
		var pair string
		pair, query, more = strings.Cut(query, "&")
		if isOneOf(pair, names) {
			found = true
			continue
		}
		b.WriteByte(separator)
		b.WriteString(pair)
		separator = '&'
	}
	if !found {
		return target, false, nil
	}
	return b.String(), true, nil
}

func isOneOf(pair string, names []string) bool {
	key, _, _ := strings.Cut(pair, "=")
	for _, name := range names {
		if pair != "" && isDecoded(key, name) {
			return true
		}
	}
	return false
}

// check finds what readers disagree on. The separators are ASCII, so the query can be decoded as one text.
func check(query string) error {
	var partial [utf8.UTFMax]byte // of a character whose bytes are escaped one by one
	length := 0
	for i := 0; i < len(query); i++ {
		c := query[i]
		switch {
		case c == ';':
			return ErrSemicolon
		case c <= ' ' || c >= 0x7f:
			return ErrCharacter
		case c == '%':
			var ok bool
			if c, ok = escaped(query[i:]); !ok {
				return ErrEscape
			}
			if c == 0 {
				return ErrNUL
			}
			i += 2
		}
		if length == 0 && c < utf8.RuneSelf {
			continue
		}
		partial[length] = c
		length++
		if !utf8.FullRune(partial[:length]) {
			continue
		}
		if r, size := utf8.DecodeRune(partial[:length]); r == utf8.RuneError && size == 1 {
			return ErrUTF8
		}
		length = 0
	}
	if length > 0 {
		return ErrUTF8
	}
	return nil
}

// isDecoded tells whether text is name once decoded.
func isDecoded(text, name string) bool {
	n := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			c, _ = escaped(text[i:])
			i += 2
		}
		if n == len(name) || name[n] != c {
			return false
		}
		n++
	}
	return n == len(name)
}

func decode(text string) string {
	if strings.IndexByte(text, '%') < 0 && strings.IndexByte(text, '+') < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			c, _ = escaped(text[i:])
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String()
}

// escaped is the byte that a leading "%41" stands for.
func escaped(text string) (byte, bool) {
	if len(text) < 3 {
		return 0, false
	}
	high, ok := ascii.Hex(text[1])
	low, ok2 := ascii.Hex(text[2])
	return high<<4 | low, ok && ok2
}
