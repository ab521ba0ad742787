package jwt

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// prepare works out once what an accepted token adds to each of its requests.
func (p *ProviderConfig) prepare(id *identity, t *Token) {
	b := jsonstrict.AppendString([]byte{'{'}, p.Name)
	b = append(b, ':')
	b = appendClaims(b, t.claims, p.SpaceDelimited)
	id.property = string(append(b, '}'))
	if p.PayloadHeader != "" {
		id.outputs = append(id.outputs, [2]string{p.PayloadHeader, strict64.EncodeToString([]byte(t.payload))})
	}
	for _, o := range p.ClaimHeaders {
		c, ok := claims.Lookup(t.claims, o.Claim)
		if !ok || c.Type == gjson.Null {
			continue
		}
		if v := claims.Text(c); isFieldValue(v) {
			// Cloned, so that it does not keep the whole payload.
			id.outputs = append(id.outputs, [2]string{o.Header, strings.Clone(v)})
		}
	}
}

// isFieldValue tells whether a text arrives as it is when it is a header's value (RFC 9110 section 5.5). A control
// character would end the header, or be refused by the next hop, and the space around " admin" would be left out. What is
// not handed on cannot mislead.
func isFieldValue(v string) bool {
	if v != strings.Trim(v, " ") {
		return false
	}
	return strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// appendClaims appends the claims' JSON with each space-delimited string as a list (RFC 8693 section 4.2).
func appendClaims(b []byte, c gjson.Result, spaceDelimited []string) []byte {
	first := true
	b = append(b, '{')
	c.ForEach(func(k, v gjson.Result) bool {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, k.Raw...)
		b = append(b, ':')
		if v.Type != gjson.String || !slices.Contains(spaceDelimited, k.Str) {
			b = append(b, v.Raw...)
			return true
		}
		b = append(b, '[')
		firstWord := true
		// By spaces only (RFC 6749 section 3.3): what else Unicode calls a space does not make two scopes of one.
		for word := range strings.FieldsFuncSeq(v.Str, func(r rune) bool { return r == ' ' }) {
			if !firstWord {
				b = append(b, ',')
			}
			firstWord = false
			b = jsonstrict.AppendString(b, word)
		}
		b = append(b, ']')
		return true
	})
	return append(b, '}')
}
