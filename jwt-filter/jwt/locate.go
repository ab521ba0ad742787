package jwt

import (
	"errors"
	"slices"
	"strings"

	"github.com/palisade-mesh/palisade/filters/ascii"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/cookie"
	"github.com/palisade-mesh/palisade/filters/query"
	"github.com/palisade-mesh/palisade/filters/request"
)

// maxTokens bounds the tokens of one request; each may cost a signature.
const maxTokens = 8

// located is a token, with the providers that look where it was.
type located struct {
	token     string
	providers providerSet
}

// locator finds the tokens of a request.
type locator struct {
	found   []located // at most maxTokens
	tooMany bool
	alone   HeaderLocation // where a token was that is all there is of its header, the last of them; zero if none was
}

// locate finds the tokens where the wanted providers look for them. An error is a query in which not everybody would
// find the same.
func (l *locator) locate(r *request.Request, providers []ProviderConfig, wanted providerSet) error {
	l.found, l.tooMany, l.alone = l.found[:0], false, HeaderLocation{}
	for i := range providers {
		if !wanted.has(i) {
			continue
		}
		p := &providers[i]
		for j := range p.Headers {
			if err := l.inHeaders(r, &p.Headers[j], 1<<i); err != nil {
				return err
			}
		}
		if p.Params != nil {
			if err := l.inQuery(r, p.Params, 1<<i); err != nil {
				return err
			}
		}
		if p.Cookies != nil {
			if err := l.inCookies(r, p.Cookies, 1<<i); err != nil {
				return err
			}
		}
	}
	return nil
}

// errCharacter is a header with a byte that some readers take for space, such as NBSP: to them, a token may begin there.
var errCharacter = errors.New("a header that may have a token has a control character or a byte beyond ASCII")

// inHeaders looks at each part of a header.
//
// Repeated headers and one with commas are the same thing (RFC 9110 section 5.3), and Envoy turns repeated
// authorization headers into the latter before a filter sees them. So each part between commas is looked
// at: no token has a comma, and a part of some other credential does not start with the prefix.
func (l *locator) inHeaders(r *request.Request, site *HeaderLocation, p providerSet) error {
	headers := r.Headers()
	values, whole := 0, false
	for i := range headers {
		if headers[i][0] != site.Name {
			continue
		}
		values++
		printable, commas := ascii.Scan(headers[i][1], ',')
		if !printable {
			return errCharacter
		}
		for rest, more := headers[i][1], true; more; {
			part := rest
			if more = commas; more {
				part, rest, more = strings.Cut(rest, ",")
			}
			if token, ok := cutPrefix(part, site.Prefix); ok {
				l.add(token, p)
				whole = !commas
			}
		}
	}
	if values == 1 && whole {
		l.alone = *site
	}
	return nil
}

// inQuery and inCookies are functions of their own, because what their closures refer to is allocated.
func (l *locator) inQuery(r *request.Request, names []string, p providerSet) error {
	for _, name := range names {
		if err := query.Values(r.Target(), name, func(value string) bool {
			l.add(value, p)
			return true
		}); err != nil {
			return err
		}
	}
	return nil
}

func (l *locator) inCookies(r *request.Request, names []string, p providerSet) error {
	for _, h := range r.Headers() {
		if h[0] != cookie.Header {
			continue
		}
		for _, name := range names {
			if err := cookie.Values(h[1], name, func(value string) bool {
				l.add(value, p)
				return true
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes a token down. An empty one, such as is left of a cookie when its session has ended, is none.
func (l *locator) add(token string, p providerSet) {
	if token == "" {
		return
	}
	for i := range l.found {
		if l.found[i].token == token {
			l.found[i].providers |= p
			return
		}
	}
	if len(l.found) == maxTokens {
		l.tooMany = true
		return
	}
	l.found = append(l.found, located{token, p})
}

// cutPrefix finds the token behind a prefix. The name of an authentication scheme ignores case (RFC 9110
// section 11.1), and the space after it may be a tab: what a lenient upstream would take for a token must not
// pass here unseen. For the same reason, and as in jwt_authn, it does not matter what is before the prefix: code that
// splits a header at "Bearer " is common.
func cutPrefix(part, prefix string) (string, bool) {
	for end := len(prefix); end <= len(part); end++ {
		if endsIn(part[:end], prefix) {
			return strings.Trim(part[end:], " \t"), true
		}
	}
	return "", false
}

// endsIn compares from the end, where most differ at once.
func endsIn(s, suffix string) bool {
	s = s[len(s)-len(suffix):]
	for i := len(s) - 1; i >= 0; i-- {
		a, b := s[i], suffix[i]
		lower := a | 0x20
		if a != b && (a != '\t' || b != ' ') && (a^b != 0x20 || lower < 'a' || lower > 'z') {
			return false
		}
	}
	return true
}

// WithoutTokens is a value of a header without the tokens that stand in it behind one of the prefixes; found tells whether
// there were any.
func WithoutTokens(value string, prefixes []string) (rest string, found bool) {
	kept := make([]byte, 0, len(value)) // once, because a client may send tens of thousands of commas
	for more, whole := true, value; more; {
		var part string
		part, whole, more = strings.Cut(whole, ",")
		if hasToken(part, prefixes) {
			found = true
			continue
		}
		if len(kept) > 0 {
			kept = append(kept, ',')
		}
		kept = append(kept, part...)
	}
	if !found {
		return value, false
	}
	return string(kept), true
}

func hasToken(part string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if _, ok := cutPrefix(part, prefix); ok {
			return true
		}
	}
	return false
}

// TokenPlaces are where tokens are to be taken out of a request.
type TokenPlaces struct {
	Headers []HeaderLocation
	Params  []string // of the query
	Cookies []string
	// Alone is one of Headers, of which the request has one value, which is a token: nothing would be left of it.
	Alone HeaderLocation
}

func (t *TokenPlaces) reset() {
	t.Headers, t.Params, t.Cookies, t.Alone = t.Headers[:0], t.Params[:0], t.Cookies[:0], HeaderLocation{}
}

// add adds where a provider looks, but for the headers in others, which are removed whole.
func (t *TokenPlaces) add(p *ProviderConfig, others []string) {
	for _, site := range p.Headers {
		if !slices.Contains(others, site.Name) {
			t.Headers = append(t.Headers, site)
		}
	}
	t.Params = append(t.Params, p.Params...)
	t.Cookies = append(t.Cookies, p.Cookies...)
}

// decodeLocations reads fromHeaders, fromParams and fromCookies. Where none of them is there, tokens are looked for where
// RFC 6750 section 2.1 puts them.
func (p *ProviderConfig) decodeLocations(o *config.Object) {
	headers, params, cookies := o.Get("fromHeaders"), o.Get("fromParams"), o.Get("fromCookies")
	if !headers.Present() && !params.Present() && !cookies.Present() {
		p.Headers = []HeaderLocation{{Name: "authorization", Prefix: "Bearer "}}
		return
	}
	for _, e := range headers.NonEmptyList() {
		o := e.Object("name", "prefix")
		l := HeaderLocation{Name: decodeHeaderName(o.Require("name", `"authorization"`)), Prefix: o.Get("prefix").String("")}
		if strings.IndexByte(l.Prefix, ',') >= 0 {
			o.Get("prefix").Mistake("found \"" + l.Prefix + "\"; a comma separates values, so no prefix has one")
		}
		if l.Name == cookie.Header {
			o.Get("name").Mistake("name the cookie in fromCookies instead")
		}
		p.Headers = append(p.Headers, l)
	}
	p.Params = params.Strings()
	for _, e := range cookies.NonEmptyList() {
		name := e.String("")
		if strings.ContainsAny(name, " \t\"(),/:;<=>?@[\\]{}") { // RFC 6265 section 4.1.1
			e.Mistake("found \"" + name + "\", expected a cookie's name")
		}
		p.Cookies = append(p.Cookies, name)
	}
}
