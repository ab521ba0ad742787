package match

import "strings"

// Host is a compiled host pattern. Hosts ignore case (RFC 9110 section 4.2.3), a trailing dot and,
// unless the pattern has one, the port.
type Host struct {
	pattern  String
	withPort bool
}

// ParseHost compiles a pattern.
func ParseHost(pattern string) (Host, error) {
	s, err := ParseString(pattern)
	if err != nil {
		return Host{}, err
	}
	name, port := splitPort(s.text)
	// A prefix such as "db:80*" has its port at the end; a suffix such as "*.example.org:443" too.
	s.text = foldHost(name) + port
	if s.kind == prefix && port == "" {
		s.text = strings.ToLower(name) // a prefix may end in a dot that is not the last
	}
	return Host{pattern: s, withPort: port != ""}, nil
}

// Match tells whether an authority matches. NormalHost must have been applied to it.
func (h Host) Match(authority string) bool {
	if h.withPort {
		return h.pattern.Match(authority)
	}
	name, _ := splitPort(authority)
	return h.pattern.Match(name)
}

// String is the pattern in normal form.
func (h Host) String() string { return h.pattern.String() }

// NormalHost is an authority in lower case and without the trailing dot of its name; the port stays.
// It allocates only when there is something to change.
func NormalHost(authority string) string {
	name, port := splitPort(authority)
	folded := foldHost(name)
	if folded == name {
		return authority
	}
	return folded + port
}

func foldHost(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// splitPort cuts an authority before the colon of its port: "[::1]:80" is "[::1]" and ":80". A bare IPv6
// address, which an authority may not have, is left whole.
func splitPort(authority string) (name, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.IndexByte(authority[i:], ']') >= 0 {
		return authority, ""
	}
	if strings.IndexByte(authority[:i], ':') >= 0 && !strings.HasSuffix(authority[:i], "]") {
		return authority, ""
	}
	return authority[:i], authority[i:]
}
