// Package pattern tells how a rule's regular expression is to be compiled.
package pattern

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// IsOfBytes tells whether a regular expression's escapes \xHH and \x{HH} are of bytes that are no text in UTF-8: then all it
// says is of bytes, as Latin-1 has them, and not of characters. So Coraza's own @rx decides. (coraza-wasilibs does not know
// the form with braces, and looks for the character U+00BC where the Core Rule Set means the byte.)
func IsOfBytes(expr string) bool {
	text := make([]byte, 0, len(expr))
	for i := 0; i < len(expr); {
		if b, size, ok := escapedByte(expr[i:]); ok {
			text = append(text, b)
			i += size
			continue
		}
		if expr[i] == '\\' && i+1 < len(expr) && expr[i+1] == '\\' { // which escapes nothing that follows
			text = append(text, '\\')
			i++
		}
		text = append(text, expr[i])
		i++
	}
	return !utf8.Valid(text)
}

// escapedByte reads an escape of one byte, and says how long it is.
func escapedByte(s string) (b byte, size int, ok bool) {
	if !strings.HasPrefix(s, `\x`) {
		return 0, 0, false
	}
	digits, size := "", 0
	if rest := s[2:]; strings.HasPrefix(rest, "{") {
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return 0, 0, false
		}
		digits, size = rest[1:end], 2+end+1
	} else if len(rest) >= 2 {
		digits, size = rest[:2], 4
	}
	n, err := strconv.ParseUint(digits, 16, 8)
	return byte(n), size, err == nil && len(digits) == 2
}
