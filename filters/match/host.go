package match

import (
	"strings"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

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
		s.text = ascii.Lower(name) // a prefix may end in a dot that is not the last
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

func foldHost(name string) string { return strings.TrimSuffix(ascii.Lower(name), ".") }

// ValidAuthority tells whether an authority is a host with at most a port (RFC 9110 section 7.2). Of what
// looks like "a.example:x@b.example", or has a port that is none, readers make different hosts.
func ValidAuthority(authority string) bool {
	if strings.IndexByte(authority, '@') >= 0 {
		return false
	}
	name, port := splitPort(authority)
	for i := 1; i < len(port); i++ {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	if inside, ok := strings.CutPrefix(name, "["); ok {
		end := strings.IndexByte(inside, ']')
		return end == len(inside)-1 && end > 0
	}
	if strings.IndexByte(name, ':') < 0 {
		return true
	}
	// Only an IPv6 address has more colons, from careless clients without brackets.
	for i := 0; i < len(name); i++ {
		if _, hex := ascii.Hex(name[i]); !hex && name[i] != ':' && name[i] != '.' {
			return false
		}
	}
	return true
}

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
