package jwtauthn

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// view is a request as the classes look at it.
type view struct {
	*Request
	wanted []*Provider
	values []siteValue
	tokens []*reading // different ones, as either filter may cut them out
}

// siteValue is what is where a provider looks for tokens: a header, a parameter of the query, or a cookie.
type siteValue struct {
	provider     *Provider
	name, prefix string // of a header; the other places are :path and cookie
	value        string
}

func (s siteValue) isHeader() bool { return s.name != ":path" && s.name != "cookie" }

func look(q *Request) *view {
	v := &view{Request: q, wanted: providers(q.Path)}
	headers := joinAuthorization(q.Headers)
	for _, p := range v.wanted {
		for _, site := range p.Headers {
			for _, h := range headers {
				if h[0] == site[0] {
					v.values = append(v.values, siteValue{p, site[0], site[1], h[1]})
				}
			}
		}
		for _, value := range parameters(q.Query, p.Params) {
			v.values = append(v.values, siteValue{p, ":path", "", value})
		}
		for _, value := range cookies(q.Headers, p.Cookies) {
			v.values = append(v.values, siteValue{p, "cookie", "", value})
		}
	}
	for _, s := range v.values {
		for _, cut := range s.cuts() {
			if !slices.ContainsFunc(v.tokens, func(t *reading) bool { return t.raw == cut }) {
				v.tokens = append(v.tokens, read(cut))
			}
		}
	}
	return v
}

// parameters are the values of some parameters, as far as they can be decoded.
func parameters(query string, names []string) []string {
	var values []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && slices.Contains(names, decoded) {
			if decoded, err := url.QueryUnescape(value); err == nil {
				value = decoded
			}
			values = append(values, value)
		}
	}
	return values
}

// cookies are the values of some cookies, in all ways to write them.
func cookies(headers []Header, names []string) []string {
	var values []string
	for _, h := range headers {
		if h[0] != "cookie" {
			continue
		}
		for _, pair := range strings.FieldsFunc(h[1], isSeparator) {
			name, value, ok := strings.Cut(pair, "=")
			if ok && slices.Contains(names, strings.Trim(name, " \t")) {
				values = append(values, strings.Trim(value, " \t\""))
			}
		}
	}
	return values
}

// joinAuthorization does what Envoy does to headers that it has a fixed place for.
func joinAuthorization(headers []Header) []Header {
	var joined []string
	var rest []Header
	for _, h := range headers {
		if h[0] == "authorization" {
			joined = append(joined, h[1])
		} else {
			rest = append(rest, h)
		}
	}
	if joined == nil {
		return rest
	}
	return append(rest, Header{"authorization", strings.Join(joined, ",")})
}

// cuts are what the two filters may take for tokens in a header.
func (s siteValue) cuts() []string {
	if !s.isHeader() {
		return []string{s.value}
	}
	var cuts []string
	if skipped, rest, ok := s.theirs(); ok {
		cuts = append(cuts, rest, skipped+rest)
	}
	for part := range strings.SplitSeq(s.value, ",") {
		if at := indexFold(part, s.prefix); at >= 0 {
			cuts = append(cuts, strings.Trim(part[at+len(s.prefix):], " \t"))
		}
	}
	return cuts
}

// theirs is what jwt_authn takes for the token: behind the first prefix, wherever that stands, from the first character
// that a token may have to the end of the header.
func (s siteValue) theirs() (skipped, token string, ok bool) {
	value := strings.Trim(s.value, " \t")
	if s.prefix == "" || !s.isHeader() {
		return "", value, true
	}
	_, rest, ok := strings.Cut(value, s.prefix)
	start := strings.IndexFunc(rest, func(r rune) bool {
		return strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", r)
	})
	if !ok || start < 0 {
		return "", value, ok
	}
	return rest[:start], rest[start:], true
}

// indexFold finds a prefix in any case, with a tab for its space.
func indexFold(s, prefix string) int {
	return strings.Index(strings.ToLower(strings.ReplaceAll(s, "\t", " ")), strings.ToLower(prefix))
}

// reading is what jwt_authn makes of a token: it takes more for one than jwt-filter does.
type reading struct {
	raw             string
	parts           []string // those that are not empty
	header, payload string
	signature       []byte
	head, claims    map[string]any // nil if they are no objects
}

func read(raw string) *reading {
	t := &reading{raw: raw}
	t.parts = strings.FieldsFunc(raw, func(r rune) bool { return r == '.' })
	if len(t.parts) != 3 {
		return t
	}
	t.header, t.payload, t.signature = string(lenient64(t.parts[0])), string(lenient64(t.parts[1])), lenient64(t.parts[2])
	t.head, t.claims = members(t.header), members(t.payload)
	return t
}

// lenient64 decodes as absl::WebSafeBase64Unescape does: white space is passed over, and neither padding nor stray bits
// matter. nil is what it refuses.
func lenient64(s string) []byte {
	s = strings.NewReplacer(" ", "", "\t", "").Replace(s)
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "=."))
	if err != nil {
		return nil
	}
	return b
}

// members of a JSON object; of one that is there twice, the last.
func members(document string) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var m map[string]any
	if decoder.Decode(&m) != nil {
		m, _ = gjson.Parse(document).Value().(map[string]any) // as far as that can be read
	}
	return m
}

func (t *reading) algorithm() string { alg, _ := t.head["alg"].(string); return alg }

// is tells whether the token says that it is the provider's.
func (t *reading) is(p *Provider) bool { return t.claims["iss"] == p.Issuer }

// provider is whose the token says it is, or nil.
func (t *reading) provider() *Provider {
	for i := range Providers {
		if t.is(&Providers[i]) {
			return &Providers[i]
		}
	}
	return nil
}

// signer is the key by which jwt_authn accepts the token, or nil.
func (t *reading) signer() *key {
	for _, k := range t.candidates() {
		if k.verify(t.algorithm(), t.parts[0]+"."+t.parts[1], t.signature, 0) {
			return k
		}
	}
	return nil
}

// candidates are the keys that jwt_authn tries.
func (t *reading) candidates() []*key {
	var fit []*key
	if t.head == nil {
		return nil
	}
	id, _ := t.head["kid"].(string)
	for _, k := range keys() {
		if k.id != stranger && (id == "" || k.id == "" || id == k.id) && (k.algorithm == "" || k.algorithm == t.algorithm()) {
			fit = append(fit, k)
		}
	}
	return fit
}

// date is the value of exp, nbf or iat.
func (t *reading) date(name string) (float64, bool) {
	number, ok := t.claims[name].(json.Number)
	if !ok {
		return 0, false
	}
	value, err := number.Float64()
	return value, err == nil && !math.IsInf(value, 0)
}

// documents are the JSON texts.
func (t *reading) documents() []string { return []string{t.header, t.payload} }

// depth is how deeply a document nests.
func depth(document string) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(document); i++ {
		switch c := document[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
