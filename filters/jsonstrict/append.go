package jsonstrict

import (
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD, and control
// characters are escaped, so that a request cannot forge a log line.
func AppendString(b []byte, s string) []byte { return AppendMember(b, "", s) }

// AppendMember appends a member of an object, or what else has a string's value at its end: before is all that stands before
// that, as `,"name":`.
func AppendMember(b []byte, before, s string) []byte {
	n, size := len(b), len(before)+len(s)+2
	if cap(b)-n < size {
		b = slices.Grow(b, size)
	}
	out := b[n : n+size]
	copyWords(out, before)
	out = out[len(before):]
	out[0] = '"'
	// Nearly every string of a record is plain from start to end: it is looked at and copied in one go.
	plain := copyPlain(out[1:], s)
	if plain == len(s) {
		out[plain+1] = '"'
		return b[:n+size]
	}
	return append(appendEscaped(b[:n+len(before)+1+plain], s[plain:]), '"')
}

// copyWords copies a short text: memory.copy, which Go's copy is, leaves the VM.
func copyWords(to []byte, s string) {
	if len(s) < 8 {
		for i := range len(s) {
			to[i] = s[i]
		}
		return
	}
	from := unsafe.Slice(unsafe.StringData(s), len(s))
	_ = to[len(from)-1]
	for i := 0; i < len(from)-8; i += 8 {
		ascii.SetWord(to, i, ascii.Word(from, i))
	}
	ascii.SetWord(to, len(from)-8, ascii.Word(from, len(from)-8)) // some of them once more
}

// copyPlain copies s up to the first character that must not be copied as it is, or to somewhere before it, and tells
// how far it came.
func copyPlain(to []byte, s string) int {
	from := unsafe.Slice(unsafe.StringData(s), len(s))
	if len(from) < 8 {
		for i, c := range from {
			if !isPlain(c) {
				return i
			}
			to[i] = c
		}
		return len(from)
	}
	for i := 0; ; i += 8 {
		last := i+8 >= len(from)
		if last {
			i = len(from) - 8 // again what is known to be plain, rather than single bytes
		}
		eight := ascii.Word(from, i)
		if !arePlain(eight) {
			return i
		}
		ascii.SetWord(to, i, eight)
		if last {
			return len(from)
		}
	}
}

func isPlain(c byte) bool { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' }

// arePlain is isPlain of eight bytes at once: whatever is not plain sets the highest bit of its byte in one of the
// terms. A borrow may set that of the next byte as well, but only if there is one that is not plain.
func arePlain(eight uint64) bool {
	const each = 0x0101010101010101
	return (eight|(eight+each)|(eight-0x20*each)|((eight^'"'*each)-each)|((eight^'\\'*each)-each))&(0x80*each) == 0
}

func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20 || r >= 0x7f && r < 0xa0: // those above 0x7f too: U+009B starts a terminal's escape sequence
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r < 0x80:
			b = append(b, byte(r))
		case r == 0xfffd || r == 0x2028 || r == 0x2029: // the line separators end lines in some viewers
			b = append(b, `\u`...)
			b = append(b, hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
