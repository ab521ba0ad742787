// Package claims reads the claims of a verified token.
package claims

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// Property is where jwt-filter publishes the claims of the request's tokens, as {"provider": {claims}}.
const Property = "palisade.jwt"

// PropertyPath is that, as the host is asked for it.
var PropertyPath = []string{Property}

// Lookup finds a claim by name, or by names separated by dots for a nested one. A claim whose own name
// has dots (a URL, say) is found first.
func Lookup(claims gjson.Result, name string) (gjson.Result, bool) {
	if v, ok := jsonstrict.Member(claims, name); ok {
		return v, true
	}
	for i := strings.IndexByte(name, '.'); i >= 0; {
		if inner, ok := jsonstrict.Member(claims, name[:i]); ok && inner.IsObject() {
			if v, ok := Lookup(inner, name[i+1:]); ok {
				return v, true
			}
		}
		next := strings.IndexByte(name[i+1:], '.')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return gjson.Result{}, false
}

// Path finds a nested claim by the names on the way to it.
func Path(claims gjson.Result, names []string) (gjson.Result, bool) {
	for _, name := range names {
		v, ok := jsonstrict.Member(claims, name)
		if !ok {
			return gjson.Result{}, false
		}
		claims = v
	}
	return claims, true
}

// Any tells whether the claim's text matches, or that of an element if it is an array.
func Any(claim gjson.Result, match func(text string) bool) bool {
	for t := Texts(claim); ; {
		text, next, ok := t.Next()
		if !ok || match(text) {
			return ok
		}
		t = next
	}
}

// TextCursor goes through the texts that a claim compares by.
type TextCursor struct {
	elements jsonstrict.Cursor
	single   gjson.Result
	isSingle bool
}

// Texts is before the first text: of an array those of its elements, of anything else its own.
func Texts(claim gjson.Result) TextCursor {
	if claim.IsArray() {
		return TextCursor{elements: jsonstrict.Begin(claim)}
	}
	return TextCursor{single: claim, isSingle: true}
}

// Next gives the next text and where to go on; ok is false if there is none.
func (t TextCursor) Next() (text string, next TextCursor, ok bool) {
	if t.isSingle {
		return Text(t.single), TextCursor{}, true
	}
	_, v, elements, ok := t.elements.Next()
	return Text(v), TextCursor{elements: elements}, ok
}

// Text is what a claim compares by: a string's value, the JSON text of anything else.
func Text(claim gjson.Result) string {
	if claim.Type == gjson.String {
		return claim.Str
	}
	return claim.Raw
}
