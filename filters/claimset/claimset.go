// Package claimset reads the claims of a request's verified tokens, which a filter before this one has published: jwt-filter
// or Envoy's own jwt_authn.
package claimset

import (
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/ascii"
	"github.com/palisade-mesh/palisade/filters/attribute"
	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Config is where the claims of verified tokens come from.
type Config struct {
	// MetadataKey is the payload_in_metadata of Envoy's own jwt_authn; "": they come from jwt-filter.
	MetadataKey string
}

// Decode reads the `claims` object of a filter's configuration.
func Decode(n config.Node) Config {
	o := n.Object("source", "metadataKey")
	key := o.Get("metadataKey")
	if o.Get("source").OneOf("jwt-filter", "jwt-filter", "jwt_authn") == "jwt-filter" {
		if key.Present() {
			key.Mistake("only with source jwt_authn")
		}
		return Config{}
	}
	if !key.Present() {
		key.Mistake(`missing; needed with source jwt_authn: the provider's payload_in_metadata, for example "corp"`)
	}
	return Config{MetadataKey: key.String("")}
}

var errClaims = errors.New("the claims that jwt-filter published are not readable")

// Sets are the claims of a request's verified tokens, each token's on its own.
type Sets struct {
	List []Set
	Err  error // they cannot be told
}

// Set are the claims of one provider's token: JSON of jwt-filter, or what Envoy's jwt_authn left in the metadata.
type Set struct {
	Principal string // issuer + "/" + subject; "" if it lacks one of them
	claims    gjson.Result
	members   []member // of claims; nil: there are too many to be kept, or they are not kept
	metadata  string
	path      []string // to the payload in the metadata
}

// member is one claim.
type member struct {
	name  string
	value gjson.Result
}

// maxMembers is how many claims of a request are kept apart from each other.
const maxMembers = 64

// Principal is the first set's that has one, "" if none has.
func (c *Sets) Principal() string {
	for i := range c.List {
		if c.List[i].Principal != "" {
			return c.List[i].Principal
		}
	}
	return ""
}

// Reader reads claims, and remembers some: a user's requests carry the same ones again and again.
type Reader struct {
	property []string
	path     []string // to jwt_authn's payload; nil: jwt-filter's JSON
	known    [claimSlots]knownClaims
}

type knownClaims struct {
	text string
	sets []Set
}

const (
	claimSlots = 64
	// maxKnownClaims is the longest text that is remembered, so that all are at most half a megabyte. What is known of
	// their members is about as much again.
	maxKnownClaims = 8 << 10
)

// NewReader makes a Reader, which is to be used by one worker.
func NewReader(c Config) *Reader {
	if c.MetadataKey == "" {
		return &Reader{property: claims.PropertyPath}
	}
	return &Reader{property: attribute.Property, path: []string{attribute.JWTAuthn, c.MetadataKey}}
}

// Read reads what a filter before this one published. Nothing means that there is no verified token.
func (c *Reader) Read(r *request.Request) Sets {
	text, found, err := r.Property(c.property)
	if err != nil || !found || text == "" {
		return Sets{Err: err}
	}
	slot := &c.known[match.Spread(text)%claimSlots]
	if ascii.Equal(slot.text, text) {
		return Sets{List: slot.sets}
	}
	remember := len(text) <= maxKnownClaims
	if remember {
		text = strings.Clone(text) // what a request says is overwritten by the next
	}
	var sets []Set
	if c.path != nil {
		sets, err = c.fromMetadata(text)
	} else {
		sets, err = fromJSON(text)
	}
	if err == nil && remember {
		room := maxMembers
		for i := range sets {
			sets[i].index(room)
			room -= len(sets[i].members)
		}
		*slot = knownClaims{text: text, sets: sets}
	}
	return Sets{List: sets, Err: err}
}

func fromJSON(text string) ([]Set, error) {
	// jwt-filter has checked the JSON that a client sent; it is not checked again.
	root := gjson.Parse(text)
	if !root.IsObject() {
		return nil, errClaims
	}
	var sets []Set
	for c := jsonstrict.Begin(root); ; {
		_, payload, next, ok := c.Next()
		if !ok {
			return sets, nil
		}
		c = next
		set := Set{claims: payload}
		iss, hasIss := jsonstrict.Member(payload, "iss")
		sub, hasSub := jsonstrict.Member(payload, "sub")
		if hasIss && hasSub && iss.Type == gjson.String && sub.Type == gjson.String {
			set.Principal = joinPrincipal(iss.Str, sub.Str)
		}
		sets = append(sets, set)
	}
}

func (c *Reader) fromMetadata(text string) ([]Set, error) {
	issuer, _, err := attribute.String(text, append(c.path[:2:2], "iss"))
	if err != nil {
		return nil, err
	}
	subject, _, err := attribute.String(text, append(c.path[:2:2], "sub"))
	if err != nil {
		return nil, err
	}
	return []Set{{Principal: joinPrincipal(issuer, subject), metadata: text, path: c.path}}, nil
}

func joinPrincipal(issuer, subject string) string {
	if issuer == "" || subject == "" {
		return ""
	}
	return issuer + "/" + subject
}

// Sink takes values one by one, so that they need not be kept.
type Sink interface{ Add(text string) }

// Values gives a claim's values, by the names on the way to it: of a list those of its elements.
func (c *Set) Values(path []string, to Sink) error {
	if c.path != nil {
		return c.metadataValues(path, to)
	}
	if len(path) == 1 && c.members != nil { // nearly always
		if v := c.member(path[0]); v != nil && v.Type == gjson.String {
			to.Add(v.Str)
			return nil
		}
	}
	if v, ok := c.claim(path); ok {
		for texts := claims.Texts(v); ; {
			text, next, ok := texts.Next()
			if !ok {
				break
			}
			texts = next
			to.Add(text)
		}
	}
	return nil
}

// index looks for all claims once, unless there are more than there is room for.
func (c *Set) index(room int) {
	for m := jsonstrict.Begin(c.claims); ; {
		name, v, next, ok := m.Next()
		if !ok {
			return
		}
		if len(c.members) == room {
			c.members = nil
			return
		}
		c.members = append(c.members, member{name, v})
		m = next
	}
}

// claim finds a claim by the names on the way to it.
func (c *Set) claim(path []string) (gjson.Result, bool) {
	if c.members == nil || len(path) == 0 {
		return claims.Path(c.claims, path)
	}
	if v := c.member(path[0]); v != nil {
		return claims.Path(*v, path[1:])
	}
	return gjson.Result{}, false
}

// member finds a claim by its name, nil if there is none.
func (c *Set) member(name string) *gjson.Result {
	for i := range c.members {
		if m := &c.members[i]; m.name == name {
			return &m.value
		}
	}
	return nil
}

// metadataValues is on its own because what a function literal refers to is allocated.
func (c *Set) metadataValues(path []string, to Sink) error {
	_, err := attribute.Texts(c.metadata, append(c.path[:2:2], path...), func(text string) bool {
		to.Add(text)
		return true
	})
	return err
}
