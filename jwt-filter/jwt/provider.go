package jwt

import (
	"crypto/sha256"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/ascii"
	"github.com/palisade-mesh/palisade/filters/claims"
	workload "github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

// identity is a verified token: what its cache entry keeps, and what is published of it. What depends on
// the request (time, certificate) is checked each time.
type identity struct {
	provider  int
	notBefore float64     // seconds since 1970; 0 if not said
	expires   float64     // +Inf if not said
	issued    float64     // NaN if not said
	thumb     string      // cnf.x5t#S256; "" if not bound
	bound     bool        // has a cnf.x5t#S256, of whatever form
	principal string      // issuer + "/" + subject
	property  string      // what claims.Property is set to for this token alone
	outputs   [][2]string // headers that hand claims on
}

// size is about how many bytes of memory an identity holds.
func (id *identity) size() int {
	const fixed = 256 // the structs, and what an allocation adds
	n := fixed + len(id.thumb) + len(id.principal) + len(id.property)
	for _, o := range id.outputs {
		n += len(o[1]) + 32
	}
	return n
}

// rejection is why a token is refused, in words that repeat nothing of it. "" accepts. undecided means
// that the fault is not the token's, and lacks what keys could be fetched that might change it.
type rejection struct {
	reason    string
	undecided bool
	lacks     lack
}

// lack is what a provider's keys lack.
type lack uint8

const (
	lacksNothing lack = iota
	lacksKeys         // there has been no set yet
	lacksKeyID        // the set has no key of the token's ID
)

func reject(reason string) rejection { return rejection{reason: reason} }

// verify checks everything about a token that does not depend on the request, in the order of the contract. keys are nil
// as long as they have not been fetched.
func (p *ProviderConfig) verify(index int, t *Token, keys []*Key, s *budgeted, now time.Time) (*identity, rejection) {
	if !p.algorithms.has(t.algorithm) {
		return nil, reject("the token's algorithm is not accepted")
	}
	if !slices.Contains(p.Types, t.typ) {
		return nil, reject("the token's type is not accepted")
	}
	if !t.isFrom(p.Issuer) {
		return nil, reject("the token's issuer is not accepted")
	}
	if r := p.verifySignature(t, keys, s); r.reason != "" {
		return nil, r
	}
	id := &identity{provider: index}
	if r := p.readTimes(t.claims, id); r.reason != "" {
		return nil, r
	}
	if r := p.timely(id, now); r.reason != "" {
		return nil, r
	}
	if p.Audiences != nil && !p.audienceFits(t.claims) {
		return nil, reject("the token is for another audience")
	}
	if r := checkTypes(t.claims); r.reason != "" {
		return nil, r
	}
	sub, hasSub := text(t.claims, "sub")
	if slices.ContainsFunc(p.foreign, func(prefix string) bool { return strings.HasPrefix(sub, prefix) }) {
		return nil, reject("the token's subject reads as one of another issuer")
	}
	if p.Subjects != nil && (!hasSub || !match.Any(p.Subjects, sub)) {
		return nil, reject("the token's subject is not accepted")
	}
	if p.RFC9068 {
		// RFC 9068 section 2.2; iss, exp and aud are checked above.
		for _, name := range [...]string{"sub", "client_id", "jti"} {
			if v, ok := text(t.claims, name); !ok || v == "" {
				return nil, reject("the token has no " + name + ", which RFC 9068 demands")
			}
		}
		if math.IsNaN(id.issued) || math.IsInf(id.expires, 1) {
			return nil, reject("the token has no iat or no exp, which RFC 9068 demands")
		}
	}
	for i := range p.Required {
		q := &p.Required[i]
		v, ok := claims.Lookup(t.claims, q.Claim)
		if !ok || !claims.Any(v, func(s string) bool { return match.Any(q.Values, s) }) {
			return nil, reject("the token's claim " + q.Claim + " has none of the required values")
		}
	}
	id.readBinding(t.claims)
	if sub != "" {
		id.principal = p.Issuer + "/" + sub
	}
	p.prepare(id, t)
	return id, rejection{}
}

func (p *ProviderConfig) verifySignature(t *Token, keys []*Key, s *budgeted) rejection {
	if keys == nil {
		return rejection{reason: "the keys of the issuer are not available", undecided: true, lacks: lacksKeys}
	}
	tried, known := false, t.keyID == ""
	for _, key := range keys {
		known = known || key.id == t.keyID
		if !key.algorithms.has(t.algorithm) || t.keyID != "" && key.id != "" && key.id != t.keyID {
			continue
		}
		tried = true
		if s.left == 0 {
			return reject("the request needs too many signatures checked")
		}
		s.left--
		err := checkSignature(s.Signatures, t.algorithm, key, t.signed, t.signature)
		switch {
		case err == nil:
			return rejection{}
		case !errors.Is(err, ErrForged):
			return rejection{reason: ErrUndecided.Error(), undecided: true}
		}
	}
	r := reject(ErrForged.Error())
	if !tried {
		r = reject("no key of the issuer fits the token")
	}
	if !known {
		r.lacks = lacksKeyID
	}
	return r
}

// maxSignatures bounds the signatures that are checked for one request, in which keys and tokens without an ID would otherwise
// multiply.
const maxSignatures = 32

// budgeted are the signatures that may still be checked for a request.
type budgeted struct {
	Signatures
	left int
}

// maxSeconds bounds a NumericDate, far beyond the year 9999.
const maxSeconds = 1e12

func (p *ProviderConfig) readTimes(c gjson.Result, id *identity) rejection {
	id.expires, id.issued = math.Inf(1), math.NaN()
	for _, f := range [...]struct {
		name string
		to   *float64
	}{{"exp", &id.expires}, {"nbf", &id.notBefore}, {"iat", &id.issued}} {
		v, ok := jsonstrict.Member(c, f.name)
		if !ok {
			continue
		}
		// RFC 7519 section 2: a NumericDate is a JSON number.
		if v.Type != gjson.Number || math.IsNaN(v.Num) || v.Num < 0 || v.Num > maxSeconds {
			return reject("the token's " + f.name + " is not a date")
		}
		*f.to = v.Num
	}
	if p.RequireExp && math.IsInf(id.expires, 1) {
		return reject("the token does not expire")
	}
	return rejection{}
}

// current checks what changes from request to request: the time, and the certificate that the token may be
// bound to.
func (p *ProviderConfig) current(id *identity, now time.Time, r *request.Request, clients *workload.Resolver) rejection {
	if no := p.timely(id, now); no.reason != "" {
		return no
	}
	switch {
	case p.Binding == BindingOff, p.Binding == BindingIfPresent && !id.bound:
		return rejection{}
	case !id.bound:
		return reject("the token is not bound to a certificate")
	}
	thumb, err := thumbprint(r, clients)
	switch {
	case err != nil:
		return rejection{reason: "the client's certificate could not be read", undecided: true}
	case thumb == "" || id.thumb == "" || thumb != id.thumb:
		return reject("the token is bound to another certificate")
	}
	return rejection{}
}

// thumbprint is the SHA-256 digest of the client's certificate in base64url (RFC 8705 section 3.1), "" if there is no such
// certificate.
func thumbprint(r *request.Request, clients *workload.Resolver) (string, error) {
	hex, err := clients.Certificate(r)
	if err != nil {
		return "", err
	}
	if len(hex) != 2*sha256.Size {
		return "", nil
	}
	var raw [sha256.Size]byte
	for i := range raw {
		high, ok := ascii.Hex(hex[2*i])
		low, ok2 := ascii.Hex(hex[2*i+1])
		if !ok || !ok2 {
			return "", nil
		}
		raw[i] = high<<4 | low
	}
	return strict64.EncodeToString(raw[:]), nil
}

// timely checks the times.
func (p *ProviderConfig) timely(id *identity, now time.Time) rejection {
	seconds, skew := float64(now.UnixMilli())/1000, p.ClockSkew.Seconds()
	switch {
	case seconds >= id.expires+skew: // RFC 7519 section 4.1.4: on or after
		return reject("the token has expired")
	case seconds < id.notBefore-skew:
		return reject("the token is not valid yet")
	}
	if p.MaxLifetime > 0 {
		// An iat in the future would make a long life look short.
		from := math.Min(id.issued, seconds+skew)
		if math.IsNaN(from) {
			from = seconds
		}
		if id.expires-from > p.MaxLifetime.Seconds() {
			return reject("the token's lifetime is longer than is accepted")
		}
	}
	return rejection{}
}

// readBinding reads RFC 8705 section 3.1: "cnf": {"x5t#S256": digest}.
func (id *identity) readBinding(c gjson.Result) {
	cnf, ok := jsonstrict.Member(c, "cnf")
	if !ok {
		return
	}
	thumb, ok := jsonstrict.Member(cnf, "x5t#S256")
	if !ok && cnf.IsObject() {
		return // bound to something else (RFC 9449, say), which is not ours to check
	}
	id.bound = true
	if thumb.Type == gjson.String {
		id.thumb = strings.Clone(thumb.Str) // it would keep the whole payload
	}
}

// checkTypes looks at the claims whose type RFC 7519 sections 4.1.2, 4.1.3 and 4.1.7 give, whether they are asked for or
// not: who reads them next must not have to guess.
func checkTypes(c gjson.Result) rejection {
	for _, name := range [...]string{"sub", "jti"} {
		if v, present := jsonstrict.Member(c, name); present && v.Type != gjson.String {
			return reject("the token's " + name + " is not a string")
		}
	}
	aud, present := jsonstrict.Member(c, "aud")
	texts := aud.IsArray() || aud.Type == gjson.String
	for each := jsonstrict.Begin(aud); ; {
		_, v, next, ok := each.Next()
		if !ok {
			break
		}
		texts = texts && v.Type == gjson.String
		each = next
	}
	if present && !texts {
		return reject("the token's aud is neither a string nor a list of strings")
	}
	return rejection{}
}

func (p *ProviderConfig) audienceFits(c gjson.Result) bool {
	aud, ok := jsonstrict.Member(c, "aud")
	if !ok {
		return false
	}
	// RFC 7519 section 4.1.3: a string, or an array of strings.
	strings, fits := true, false
	check := func(v gjson.Result) {
		strings = strings && v.Type == gjson.String
		fits = fits || slices.Contains(p.Audiences, v.Str)
	}
	if aud.IsArray() {
		aud.ForEach(func(_, v gjson.Result) bool { check(v); return true })
	} else {
		check(aud)
	}
	return strings && fits
}

func text(c gjson.Result, name string) (string, bool) {
	v, ok := jsonstrict.Member(c, name)
	return v.Str, ok && v.Type == gjson.String
}
