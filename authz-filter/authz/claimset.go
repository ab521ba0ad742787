package authz

import (
	"errors"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/attribute"
	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/request"
)

// ClaimsConfig is where the claims of verified tokens come from.
type ClaimsConfig struct {
	// MetadataKey is the payload_in_metadata of Envoy's own jwt_authn; "": they come from jwt-filter.
	MetadataKey string
}

func decodeClaims(n config.Node) ClaimsConfig {
	o := n.Object("source", "metadataKey")
	key := o.Get("metadataKey")
	if o.Get("source").OneOf("jwt-filter", "jwt-filter", "jwt_authn") == "jwt-filter" {
		if key.Present() {
			key.Mistake("only with source jwt_authn")
		}
		return ClaimsConfig{}
	}
	if !key.Present() {
		key.Mistake(`missing; needed with source jwt_authn: the provider's payload_in_metadata, for example "corp"`)
	}
	return ClaimsConfig{MetadataKey: key.String("")}
}

var (
	claimsProperty = []string{claims.Property}
	errClaims      = errors.New("the claims that jwt-filter published are not readable")
)

// claimSets are the claims of a request's verified tokens.
type claimSets struct {
	sets []claimSet
	err  error // they cannot be told
}

// claimSet are the claims of one provider's token: JSON of jwt-filter, or what Envoy's jwt_authn left in the metadata.
type claimSet struct {
	principal string // issuer + "/" + subject; "" if it lacks one of them
	claims    gjson.Result
	metadata  string
	path      []string // to the payload in the metadata
}

func (c *claimSets) principal() string {
	for i := range c.sets {
		if c.sets[i].principal != "" {
			return c.sets[i].principal
		}
	}
	return ""
}

// claimReader reads claims, and remembers some: a user's requests carry the same ones again and again.
type claimReader struct {
	property []string
	path     []string // to jwt_authn's payload; nil: jwt-filter's JSON
	known    [claimSlots]knownClaims
}

type knownClaims struct {
	text string
	sets []claimSet
}

const (
	claimSlots = 64
	// maxKnownClaims is the longest text that is remembered, so that all are at most half a megabyte.
	maxKnownClaims = 8 << 10
)

func newClaimReader(c ClaimsConfig) claimReader {
	if c.MetadataKey == "" {
		return claimReader{property: claimsProperty}
	}
	return claimReader{property: attribute.Property, path: []string{attribute.JWTAuthn, c.MetadataKey}}
}

// read reads what a filter before this one published. Nothing means that there is no verified token.
func (c *claimReader) read(r *request.Request) claimSets {
	text, found, err := r.Property(c.property)
	if err != nil || !found || text == "" {
		return claimSets{err: err}
	}
	slot := &c.known[slotOf(text)%claimSlots]
	if slot.text == text {
		return claimSets{sets: slot.sets}
	}
	remember := len(text) <= maxKnownClaims
	if remember {
		text = strings.Clone(text) // what a request says is overwritten by the next
	}
	var sets []claimSet
	if c.path != nil {
		sets, err = c.fromMetadata(text)
	} else {
		sets, err = fromJSON(text)
	}
	if err == nil && remember {
		*slot = knownClaims{text: text, sets: sets}
	}
	return claimSets{sets: sets, err: err}
}

func fromJSON(text string) ([]claimSet, error) {
	// jwt-filter has checked the JSON that a client sent; it is not checked again.
	root := gjson.Parse(text)
	if !root.IsObject() {
		return nil, errClaims
	}
	var sets []claimSet
	for c := jsonstrict.Begin(root); ; {
		_, payload, next, ok := c.Next()
		if !ok {
			return sets, nil
		}
		c = next
		set := claimSet{claims: payload}
		iss, hasIss := jsonstrict.Member(payload, "iss")
		sub, hasSub := jsonstrict.Member(payload, "sub")
		if hasIss && hasSub && iss.Type == gjson.String && sub.Type == gjson.String {
			set.principal = joinPrincipal(iss.Str, sub.Str)
		}
		sets = append(sets, set)
	}
}

func (c *claimReader) fromMetadata(text string) ([]claimSet, error) {
	issuer, _, err := attribute.String(text, append(c.path[:2:2], "iss"))
	if err != nil {
		return nil, err
	}
	subject, _, err := attribute.String(text, append(c.path[:2:2], "sub"))
	if err != nil {
		return nil, err
	}
	return []claimSet{{principal: joinPrincipal(issuer, subject), metadata: text, path: c.path}}, nil
}

func joinPrincipal(issuer, subject string) string {
	if issuer == "" || subject == "" {
		return ""
	}
	return issuer + "/" + subject
}

var audience, presenter = []string{"aud"}, []string{"azp"}

// values counts the values of a claim in each set: of a list those of its elements.
func (c *claimSets) values(k *Key, t *tally) error {
	if c.err != nil {
		return c.err
	}
	path := k.path
	switch k.kind {
	case keyAuthPrincipal:
		for i := range c.sets {
			t.addIf(c.sets[i].principal)
		}
		return nil
	case keyAuthAudiences:
		path = audience
	case keyAuthPresenter:
		path = presenter
	}
	for i := range c.sets {
		if err := c.sets[i].values(path, t); err != nil {
			return err
		}
	}
	return nil
}

func (c *claimSet) values(path []string, t *tally) error {
	if c.path != nil {
		return c.metadataValues(path, t)
	}
	if v, ok := claims.Path(c.claims, path); ok {
		for texts := claims.Texts(v); ; {
			text, next, ok := texts.Next()
			if !ok {
				break
			}
			texts = next
			t.add(text)
		}
	}
	return nil
}

// metadataValues is on its own because what a function literal refers to is allocated.
func (c *claimSet) metadataValues(path []string, t *tally) error {
	_, err := attribute.Texts(c.metadata, append(c.path[:2:2], path...), func(text string) bool {
		t.add(text)
		return true
	})
	return err
}
