// Package spiffe parses SPIFFE IDs, the identities of workloads
// (https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md).
package spiffe

import (
	"errors"
	"strings"
)

// Scheme precedes every SPIFFE ID in its URI form.
const Scheme = "spiffe://"

// MaxLength is the longest URI that the standard asks implementations to accept (section 2.3).
const MaxLength = 2048

const maxTrustDomain = 255

// Errors of Parse.
var (
	ErrScheme      = errors.New("spiffe: the scheme is not spiffe://")
	ErrLength      = errors.New("spiffe: longer than 2048 bytes")
	ErrTrustDomain = errors.New("spiffe: the trust domain is empty, too long, or has a character other than a-z 0-9 . - _")
	ErrNoPath      = errors.New("spiffe: no path: it names a trust domain, not a workload")
	ErrPath        = errors.New("spiffe: a path segment is empty, '.' or '..', or has a character other than a-z A-Z 0-9 . - _")
)

// ID is a workload's SPIFFE ID without its scheme: "example.org/ns/shop/sa/backend". This is how Istio
// writes principals, too. The zero ID is nobody.
type ID struct {
	name  string
	slash int // where the path starts
}

// Parse reads the URI form. An ID without a path is refused: it would name every workload, or none.
func Parse(uri string) (ID, error) {
	if len(uri) > MaxLength {
		return ID{}, ErrLength
	}
	name, ok := strings.CutPrefix(uri, Scheme)
	if !ok {
		return ID{}, ErrScheme
	}
	slash := strings.IndexByte(name, '/')
	domain := name
	if slash >= 0 {
		domain = name[:slash]
	}
	if !ValidTrustDomain(domain) {
		return ID{}, ErrTrustDomain
	}
	if slash < 0 {
		return ID{}, ErrNoPath
	}
	if !validPath(name[slash:]) {
		return ID{}, ErrPath
	}
	return ID{name: name, slash: slash}, nil
}

// Clone is the same ID in memory of its own.
func (id ID) Clone() ID { return ID{name: strings.Clone(id.name), slash: id.slash} }

// WithTrustDomain is the ID of the same path in another trust domain, which must be valid.
func (id ID) WithTrustDomain(domain string) ID {
	return ID{name: domain + id.Path(), slash: len(domain)}
}

// IsZero tells whether id is nobody.
func (id ID) IsZero() bool { return id.name == "" }

// Name is the ID without its scheme, as Istio writes principals.
func (id ID) Name() string { return id.name }

// String is the URI form, or "" for nobody.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return Scheme + id.name
}

// TrustDomain is the part before the path.
func (id ID) TrustDomain() string { return id.name[:id.slash] }

// Path is the part after the trust domain, with its leading slash.
func (id ID) Path() string { return id.name[id.slash:] }

// ServiceAccount splits the path form that Istio gives its workloads, /ns/<namespace>/sa/<account>.
// ok is false for any other path.
func (id ID) ServiceAccount() (namespace, account string, ok bool) {
	rest, ok := strings.CutPrefix(id.Path(), "/ns/")
	if !ok {
		return "", "", false
	}
	namespace, rest, ok = strings.Cut(rest, "/")
	if !ok {
		return "", "", false
	}
	account, ok = strings.CutPrefix(rest, "sa/")
	if !ok || strings.IndexByte(account, '/') >= 0 {
		return "", "", false
	}
	return namespace, account, true
}

// ValidTrustDomain tells whether s may be a trust domain's name (section 2.1).
func ValidTrustDomain(s string) bool {
	if s == "" || len(s) > maxTrustDomain {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// validPath checks a path with its leading slash (section 2.2).
func validPath(path string) bool {
	for path != "" {
		segment, rest, more := strings.Cut(path[1:], "/")
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		for i := 0; i < len(segment); i++ {
			c := segment[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
				return false
			}
		}
		if !more {
			return true
		}
		path = "/" + rest
	}
	return false
}
