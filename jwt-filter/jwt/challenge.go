package jwt

import "strings"

// Challenge is the value of WWW-Authenticate (RFC 6750 section 3): bare if there was no token, else with
// what was wrong with it. Neither part repeats anything that could end the quoted string.
func Challenge(host, problem string) string {
	realm := host
	if realm == "" || strings.IndexFunc(realm, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) >= 0 {
		realm = "palisade"
	}
	if problem == "" {
		return `Bearer realm="` + realm + `"`
	}
	return `Bearer realm="` + realm + `", error="invalid_token", error_description="` + quotable(problem) + `"`
}

// quotable keeps to the characters that RFC 6750 section 3 allows in error_description.
func quotable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\':
			return '/'
		case r < ' ' || r >= 0x7f:
			return '?'
		}
		return r
	}, text)
}
