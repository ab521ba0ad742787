package authz

import (
	"errors"
	"strings"
)

// Key is what a condition looks at.
type Key struct {
	kind keyKind
	name string   // of a header
	path []string // to a claim
	text string   // as written
}

type keyKind uint8

const (
	keyHeader keyKind = iota
	keyMethod
	keyAuthPrincipal
	keyAuthAudiences
	keyAuthPresenter
	keyClaim
	keySourcePrincipal
	keySourceNamespace
	keySourceServiceAccount
	keySNI
	keyQuery
	keySourceIP
	keyRemoteIP
	keyDestinationIP
	keyDestinationPort
)

var plainKeys = map[string]keyKind{
	"request.method":         keyMethod,
	"request.auth.principal": keyAuthPrincipal,
	"request.auth.audiences": keyAuthAudiences,
	"request.auth.presenter": keyAuthPresenter,
	"source.principal":       keySourcePrincipal,
	"source.namespace":       keySourceNamespace,
	"source.serviceAccount":  keySourceServiceAccount,
	"connection.sni":         keySNI,
	"source.ip":              keySourceIP,
	"remote.ip":              keyRemoteIP,
	"destination.ip":         keyDestinationIP,
	"destination.port":       keyDestinationPort,
}

var (
	errKey = errors.New("not a key; known are request.headers[..], request.query[..], request.method, " +
		"request.auth.principal, request.auth.audiences, request.auth.presenter, request.auth.claims[..][..], " +
		"source.principal, source.namespace, source.serviceAccount, source.ip, remote.ip, destination.ip, " +
		"destination.port, connection.sni")
	errBrackets = errors.New("the brackets do not match, or there is nothing in them")
)

// ParseKey reads a condition's key.
func ParseKey(text string) (Key, error) {
	k := Key{text: text}
	if kind, ok := plainKeys[text]; ok {
		k.kind = kind
		return k, nil
	}
	if rest, ok := strings.CutPrefix(text, "request.headers"); ok {
		names, err := brackets(rest)
		if err != nil {
			return Key{}, err
		}
		if len(names) != 1 {
			return Key{}, errBrackets
		}
		k.kind, k.name = keyHeader, strings.ToLower(names[0])
		if k.name == "host" {
			k.name = ":authority" // Envoy's name for it
		}
		return k, nil
	}
	if rest, ok := strings.CutPrefix(text, "request.query"); ok {
		names, err := brackets(rest)
		if err != nil {
			return Key{}, err
		}
		if len(names) != 1 {
			return Key{}, errBrackets
		}
		k.kind, k.name = keyQuery, names[0]
		return k, nil
	}
	if rest, ok := strings.CutPrefix(text, "request.auth.claims"); ok {
		names, err := brackets(rest)
		if err != nil {
			return Key{}, err
		}
		k.kind, k.path = keyClaim, names
		return k, nil
	}
	return Key{}, errKey
}

// String is the key as written.
func (k Key) String() string { return k.text }

// repeatable tells whether a request may have the key several times, so that readers may disagree on which counts.
func (k *Key) repeatable() bool { return k.kind == keyHeader || k.kind == keyQuery }

// secret tells whether the request's value may be a token or a cookie.
func (k *Key) secret() bool { return k.kind == keyHeader || k.kind == keyQuery }

// brackets splits "[a][b]".
func brackets(s string) ([]string, error) {
	var names []string
	for s != "" {
		end := strings.IndexByte(s, ']')
		if s[0] != '[' || end <= 1 || strings.IndexByte(s[1:end], '[') >= 0 {
			return nil, errBrackets
		}
		names = append(names, s[1:end])
		s = s[end+1:]
	}
	if len(names) == 0 {
		return nil, errBrackets
	}
	return names, nil
}
