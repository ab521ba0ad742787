package jwt

import "strings"

// TokenSite is a header with a token in it.
//
// Repeated headers and one with commas are the same thing (RFC 9110 section 5.3), and Envoy turns repeated
// authorization headers into the latter before a filter sees them. So each part between commas is looked
// at: no token has a comma, and a part of some other credential does not start with the prefix.
type TokenSite struct {
	Header string
	Prefix string
}

// Without is a value of the header without the tokens in it; found tells whether there were any.
func (s TokenSite) Without(value string) (rest string, found bool) {
	for part := range strings.SplitSeq(value, ",") {
		if _, ok := cutPrefix(part, s.Prefix); ok {
			found = true
			continue
		}
		if rest != "" {
			rest += ","
		}
		rest += part
	}
	return rest, found
}

// cutPrefix finds the token behind a prefix. The name of an authentication scheme ignores case (RFC 9110
// section 11.1), and the space after it may be a tab: what a lenient upstream would take for a token must not
// pass here unseen.
func cutPrefix(part, prefix string) (string, bool) {
	part = strings.TrimLeft(part, " \t")
	if len(part) < len(prefix) {
		return "", false
	}
	word, spaced := strings.CutSuffix(prefix, " ")
	if !strings.EqualFold(part[:len(word)], word) || spaced && part[len(word)] != ' ' && part[len(word)] != '\t' {
		return "", false
	}
	return strings.Trim(part[len(prefix):], " \t"), true
}
