package jsonstrict

import "unicode/utf8"

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD, and control
// characters are escaped, so that a request cannot forge a log line.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
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
	return append(b, '"')
}
