package jwt

import (
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/match"
)

// RemoteKeys is where a provider's keys are fetched from: jwksUri and what belongs to it.
type RemoteKeys struct {
	URI                     string // as written
	Scheme, Authority, Path string // its parts
	Cluster                 string // of the proxy, through which it is fetched
	Timeout                 time.Duration
	CacheDuration           time.Duration // how long a set serves before it is refreshed
	RefreshOnUnknownKid     bool
}

const (
	minTimeout, maxTimeout             = 10 * time.Millisecond, time.Minute
	minCacheDuration, maxCacheDuration = time.Second, 7 * 24 * time.Hour
)

// decodeRemote reads jwksUri and what belongs to it, nil if it is not there.
func decodeRemote(o *config.Object) *RemoteKeys {
	uri := o.Get("jwksUri")
	if !uri.Present() {
		for _, name := range [...]string{"jwksCluster", "timeout", "jwksCacheDuration", "jwksRefreshOnUnknownKid"} {
			if n := o.Get(name); n.Present() {
				n.Mistake("only with jwksUri; the keys of jwks are not fetched")
			}
		}
		return nil
	}
	k := &RemoteKeys{
		URI:                 uri.String(""),
		Cluster:             o.Require("jwksCluster", `"idp", a cluster of the proxy`).String(""),
		Timeout:             o.Get("timeout").Duration(5*time.Second, minTimeout, maxTimeout),
		CacheDuration:       o.Get("jwksCacheDuration").Duration(10*time.Minute, minCacheDuration, maxCacheDuration),
		RefreshOnUnknownKid: o.Get("jwksRefreshOnUnknownKid").Bool(true),
	}
	if k.URI != "" && !k.parseURI() {
		uri.Mistake("found \"" + k.URI + "\", expected such as \"https://idp.example/keys\"")
	}
	return k
}

// parseURI takes an absolute URI with nothing that a request line could be cut by.
func (k *RemoteKeys) parseURI() bool {
	scheme, rest, ok := strings.Cut(k.URI, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "https" && scheme != "http" {
		return false
	}
	for i := 0; i < len(rest); i++ {
		if c := rest[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	authority, path := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, path = rest[:i], rest[i:]
		if path[0] == '?' {
			path = "/" + path
		}
	}
	k.Scheme, k.Authority, k.Path = scheme, authority, path
	return authority != "" && match.ValidAuthority(authority)
}

// ParseKeySet reads the text of a JWK Set that was fetched. Unlike those of a configuration, keys in it that are weak or
// malformed are left out (RFC 7517 section 5), so that one of them does not take the others away; skipped is how many.
// A set without a key that is usable is an error.
func ParseKeySet(text string) (keys []*Key, skipped int, err error) {
	set, err := jsonstrict.Parse(text)
	if err != nil {
		return nil, 0, &KeySetError{"the document " + err.Error()}
	}
	list, ok := jsonstrict.Member(set, "keys")
	if !ok || !list.IsArray() {
		return nil, 0, &KeySetError{"it has no list \"keys\""}
	}
	if jsonstrict.Count(list) > MaxKeys {
		return nil, 0, &KeySetError{"it has more than 64 keys"}
	}
	for c := jsonstrict.Begin(list); ; {
		_, v, next, ok := c.Next()
		if !ok {
			break
		}
		c = next
		key, mistake := parseKey(v)
		switch {
		case mistake != "":
			skipped++
		case key != nil:
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, skipped, &KeySetError{"it has no key that is usable for signatures"}
	}
	return keys, skipped, nil
}

// KeySetError says what is wrong with a set that was fetched.
type KeySetError struct{ What string }

func (e *KeySetError) Error() string { return "the JWK Set cannot be used: " + e.What }
