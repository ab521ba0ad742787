package ratelimit

import (
	"errors"
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/clientip"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/query"
)

// KeyPart is one of the things by which a limit tells requests apart.
type KeyPart struct {
	text  string // as it is written
	kind  keyKind
	name  string     // of a header or parameter
	paths [][]string // to a claim: the first that is there
	bits  int        // of an IPv4 address that count; 0: the address is taken whole
	cel   expression
}

type keyKind uint8

const (
	keyClaim keyKind = iota
	keyHeader
	keyQuery
	keyPrincipal
	keyRequestPrincipal
	keyRemoteIP
	keyHost
	keyPath
	keyMethod
	keyCEL
)

var plainKeys = map[string]keyKind{
	"principal": keyPrincipal, "requestPrincipal": keyRequestPrincipal, "remoteIP": keyRemoteIP, "host": keyHost,
	"path": keyPath, "method": keyMethod,
}

// knownKeys are for whoever wrote another.
const knownKeys = "claim:a.b, header:x, query:x, principal, requestPrincipal, remoteIP, remoteIP/24, host, path, method or cel:<expression>"

// maxKeyParts bounds a key; nobody tells requests apart by more.
const maxKeyParts = 16

func decodeKey(n config.Node) []KeyPart {
	var parts []KeyPart
	list := n.NonEmptyList()
	if len(list) > maxKeyParts {
		n.Mistake("found " + strconv.Itoa(len(list)) + " parts, expected at most " + strconv.Itoa(maxKeyParts))
	}
	for _, e := range list {
		text := e.String("")
		if text == "" {
			continue // a mistake already
		}
		part, ok := parseKeyPart(text)
		part.text = text
		if part.kind == keyCEL {
			part.cel.check(e)
		} else if !ok {
			e.Mistake("found \"" + text + "\", expected " + knownKeys)
		}
		parts = append(parts, part)
	}
	return parts
}

func parseKeyPart(text string) (KeyPart, bool) {
	if kind, ok := plainKeys[text]; ok {
		return KeyPart{kind: kind}, true
	}
	if bits, ok := strings.CutPrefix(text, "remoteIP/"); ok {
		n, err := strconv.Atoi(bits)
		return KeyPart{kind: keyRemoteIP, bits: n}, err == nil && n >= 1 && n <= 32 && bits == strconv.Itoa(n)
	}
	kind, name, _ := strings.Cut(text, ":")
	switch kind {
	case "cel":
		return KeyPart{kind: keyCEL, cel: expression{text: name}}, true
	case "claim":
		part := KeyPart{kind: keyClaim, paths: [][]string{{name}}}
		names := strings.Split(name, ".")
		if len(names) > 1 {
			part.paths = append(part.paths, names)
		}
		for _, n := range names {
			if n == "" {
				return part, false
			}
		}
		return part, true
	case "header":
		return KeyPart{kind: keyHeader, name: strings.ToLower(name)}, isHeaderName(name)
	case "query":
		return KeyPart{kind: keyQuery, name: name}, name != ""
	}
	return KeyPart{}, false
}

// String is the part as it is written in a configuration.
func (k *KeyPart) String() string { return k.text }

// isHeaderName tells whether name is a token (RFC 9110 section 5.6.2).
func isHeaderName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// part adds a part of a key. missing: the request has no such value. An error means that it cannot be told.
//
// All values of a repeated header count, and of claims those of the first token that has them: a client that can choose
// has no more buckets than values.
func (s *subject) part(k *KeyPart, b *bucketName) (missing bool, err error) {
	b.values, b.value = 0, ""
	switch k.kind {
	case keyClaim:
		err = s.claimValues(k, b)
	case keyHeader:
		headers := s.request.Headers()
		for i := range headers {
			if headers[i][0] == k.name {
				b.Add(headers[i][1])
			}
		}
	case keyQuery:
		if queryValues(s.request.Target(), k.name, b) != nil {
			return true, nil // readers disagree on what is in it
		}
	case keyPrincipal:
		var name string
		if name, err = s.principal(); err == nil {
			b.Add(name)
		}
	case keyRequestPrincipal:
		claims := s.claims()
		if err = claims.Err; err == nil {
			b.Add(claims.Principal())
		}
	case keyRemoteIP:
		err = s.address(k.bits, b)
	case keyHost:
		b.Add(s.request.Host())
	case keyPath:
		b.Add(s.path)
	case keyMethod:
		b.Add(s.request.Method())
	case keyCEL:
		var text string
		if text, err = s.limiter.expressions.Evaluate(k.cel.id); err == nil {
			b.Add(text)
		}
	}
	return b.values == 0 || b.values == 1 && b.value == "", err
}

func (s *subject) claimValues(k *KeyPart, b *bucketName) error {
	claims := s.claims()
	if claims.Err != nil {
		return claims.Err
	}
	for i := range claims.List {
		for _, path := range k.paths {
			if err := claims.List[i].Values(path, b); err != nil || b.values > 0 {
				return err
			}
		}
	}
	return nil
}

// queryValues is on its own because what a function literal refers to is allocated.
func queryValues(target, name string, b *bucketName) error {
	return query.Values(target, name, func(value string) bool {
		b.Add(value)
		return true
	})
}

// ipv6Bits is what a site has at least to choose its addresses from (RFC 6177): they are one.
const ipv6Bits = 64

func (s *subject) address(bits int, b *bucketName) error {
	a := s.remote()
	switch {
	case a.Err == nil:
	case errors.Is(a.Err, clientip.ErrNone), errors.Is(a.Err, clientip.ErrHeader), errors.Is(a.Err, clientip.ErrHops):
		return nil // it has none that could be believed
	default:
		return a.Err
	}
	ip := a.IP
	if bits > 0 || !ip.Is4() {
		ip = ip.Masked(bits, ipv6Bits)
	}
	b.text = ip.AppendBytes(b.text)
	b.values, b.value = 1, a.Text
	if b.question != nil {
		b.question.Value(ip.String())
	}
	return nil
}
