// Package jwt decides whether a request carries the tokens that its rule requires (RFC 7519, with the
// demands of RFC 8725). It is pure: it runs natively in tests and tools, and in Wasm unchanged.
//
// Config is what the author wrote; New compiles it to a Verifier; Decide judges one request.
package jwt

import (
	"slices"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Verifier is a compiled configuration. It is not safe for concurrent use: each worker has its own.
type Verifier struct {
	config     *Config
	signatures Signatures
	cache      *tokenCache
	fallback   Requirement // where no rule matches
	outputs    []string    // every header that a client must not set
	located    []located   // scratch
}

// Result is a decision, and what is to be done to the request that it allows.
type Result struct {
	decision.Decision
	Path         string // normal form
	Principal    string // request principal: issuer + "/" + subject
	Missing      bool   // refused for want of a token, not for a bad one
	CacheHits    int
	CacheMisses  int
	Claims       string      // what claims.Property is set to; "" if there is no token
	Remove       []string    // headers to remove
	RemoveTokens []TokenSite // header values to remove
	Set          [][2]string // headers to set, after the removals
}

// New compiles a configuration.
func New(c *Config, s Signatures) *Verifier {
	v := &Verifier{config: c, signatures: s, cache: newTokenCache(c.Cache), fallback: anyProvider(len(c.Providers))}
	for i := range c.Providers {
		p := &c.Providers[i]
		if p.PayloadHeader != "" {
			v.outputs = append(v.outputs, p.PayloadHeader)
		}
		for _, o := range p.ClaimHeaders {
			v.outputs = append(v.outputs, o.Header)
		}
	}
	return v
}

// maxTokens bounds the tokens of one request; each may cost a signature.
const maxTokens = 8

type located struct {
	token     string
	providers providerSet
}

// Decide judges a request at a point in time.
func (v *Verifier) Decide(r *request.Request, now time.Time) Result {
	res := Result{Decision: decision.Decision{Effect: decision.Allow, Status: 200}}
	v.antiSpoof(r, &res)
	path, err := match.NormalPath(r.RawPath(), v.config.Normalization)
	if err != nil {
		return res.deny(400, err.Error())
	}
	res.Path = path
	requirement, err := v.requirement(r, &res)
	if err != nil {
		return res.deny(503, "the rule could not be chosen: "+err.Error())
	}
	if v.config.BypassCORS && r.IsCORSPreflight() {
		res.Reason = "a CORS preflight needs no token"
		return res
	}
	wanted := requirement.providers()
	if wanted == 0 {
		res.Reason = "no token is required"
		return res
	}
	if !v.locate(r, wanted) {
		return res.deny(401, "the request has too many tokens")
	}
	state := tokens{}
	for i := range v.located {
		if !v.judge(&v.located[i], r, now, &state, &res) {
			return res.deny(503, state.rejected.reason)
		}
	}
	verdict, used := requirement.evaluate(state.outcome)
	switch {
	case verdict == invalid:
		return res.deny(401, state.rejected.reason)
	case verdict == missing && len(v.located) == 0:
		res.Missing = true
		return res.deny(401, "the request has no token")
	case verdict == missing:
		return res.deny(401, "a token of another provider is required as well")
	case used != 0:
		res.Reason = "the token is valid"
	case len(v.located) > 0:
		res.Reason = "the token is ignored: " + state.rejected.reason
	default:
		res.Reason = "no token, and none is required"
	}
	v.publish(&res, &state, used)
	v.removeTokens(&res, wanted)
	return res
}

func (res *Result) deny(status uint32, reason string) Result {
	res.Effect, res.Status, res.Reason = decision.Deny, status, reason
	return *res
}

// antiSpoof removes what a client sent under the names that the filter hands claims on by, whatever the
// rule says.
func (v *Verifier) antiSpoof(r *request.Request, res *Result) {
	for _, name := range v.outputs {
		r.Header(name, func(string) bool {
			res.Remove = append(res.Remove, name)
			return false
		})
	}
}

// requirement is that of the first rule that matches.
func (v *Verifier) requirement(r *request.Request, res *Result) (*Requirement, error) {
	for i := range v.config.Rules {
		rule := &v.config.Rules[i]
		_, ok, err := rule.Match.Match(r, res.Path)
		if err != nil {
			return nil, err
		}
		if ok {
			res.Rule = rule.Path
			return &rule.Require, nil
		}
	}
	return &v.fallback, nil
}

// locate finds the tokens where the wanted providers look for them.
func (v *Verifier) locate(r *request.Request, wanted providerSet) bool {
	v.located = v.located[:0]
	fits := true
	for i := range v.config.Providers {
		if !wanted.has(i) {
			continue
		}
		for _, site := range v.config.Providers[i].Headers {
			r.Header(site.Name, func(value string) bool {
				for part := range strings.SplitSeq(value, ",") {
					if token, ok := cutPrefix(part, site.Prefix); ok && fits {
						fits = v.add(token, 1<<i)
					}
				}
				return fits
			})
		}
	}
	return fits
}

func (v *Verifier) add(token string, p providerSet) bool {
	for i := range v.located {
		if v.located[i].token == token {
			v.located[i].providers |= p
			return true
		}
	}
	if len(v.located) == maxTokens {
		return false
	}
	v.located = append(v.located, located{token, p})
	return true
}

// tokens is what is known of a request's tokens so far.
type tokens struct {
	outcome
	identities [maxTokens]*identity // accepted ones
	accepted   int
	rejected   rejection // the first
}

// judge finds out who accepts a token. false: nobody can tell.
func (v *Verifier) judge(l *located, r *request.Request, now time.Time, state *tokens, res *Result) bool {
	var parsed *Token
	var why rejection
	for i := range v.config.Providers {
		if !l.providers.has(i) {
			continue
		}
		p := &v.config.Providers[i]
		id := v.cache.get(i, l.token)
		hit := id != nil
		if hit {
			res.CacheHits++
		} else {
			res.CacheMisses++
			if parsed == nil {
				var err error
				if parsed, err = ParseToken(l.token); err != nil {
					why = reject(err.Error())
					break
				}
			}
			var no rejection
			if id, no = p.verify(i, parsed, v.signatures, now); id == nil {
				if no.undecided {
					state.rejected = no
					return false
				}
				// Of several providers, the one whose token it claims to be says best what is wrong.
				if iss, _ := text(parsed.claims, "iss"); why.reason == "" || iss == p.Issuer {
					why = no
				}
				continue
			}
		}
		no := p.current(id, now, func() (string, error) { return peerThumbprint(r) })
		switch {
		case no.undecided:
			state.rejected = no
			return false
		case no.reason != "":
			v.cache.drop(i, l.token)
			why = no
			continue
		}
		if !hit {
			v.cache.put(i, l.token, id)
		}
		state.valid |= 1 << i
		state.identities[state.accepted] = id
		state.accepted++
		return true
	}
	state.invalid |= l.providers
	if state.rejected.reason == "" {
		state.rejected = why
	}
	return true
}

// publish hands on the claims of the tokens that count.
func (v *Verifier) publish(res *Result, state *tokens, used providerSet) {
	var done providerSet
	for _, id := range state.identities[:state.accepted] {
		bit := providerSet(1) << id.provider
		if used&bit == 0 || done&bit != 0 {
			continue // a second token of one provider is valid, but the first speaks
		}
		if done == 0 {
			res.Principal = id.principal
			res.Policy = v.config.Providers[id.provider].Name
			res.Claims = id.property
		} else {
			res.Claims = res.Claims[:len(res.Claims)-1] + "," + id.property[1:]
		}
		done |= bit
		res.Set = append(res.Set, id.outputs...)
	}
}

// removeTokens takes the tokens out of the request, the ignored ones too, unless they are to be forwarded.
func (v *Verifier) removeTokens(res *Result, wanted providerSet) {
	if len(v.located) == 0 {
		return
	}
	for i := range v.config.Providers {
		if !wanted.has(i) || v.config.Providers[i].Forward {
			continue
		}
		for _, site := range v.config.Providers[i].Headers {
			// A header that claims are handed on by is removed whole: what the client put beside the token
			// must not come back.
			if !slices.Contains(v.outputs, site.Name) {
				res.RemoveTokens = append(res.RemoveTokens, TokenSite{site.Name, site.Prefix})
			}
		}
	}
}

// peerThumbprint is the SHA-256 of the mTLS peer's certificate in base64url (RFC 8705 section 3.1), "" if
// there is no such certificate.
func peerThumbprint(r *request.Request) (string, error) {
	hex, found, err := r.Property(request.PropertyPeerDigest)
	if err != nil || !found {
		return "", err
	}
	digest, ok := decodeHex(hex)
	if !ok {
		return "", nil
	}
	return strict64.EncodeToString(digest), nil
}

func decodeHex(s string) ([]byte, bool) {
	if len(s)%2 != 0 {
		return nil, false
	}
	out := make([]byte, len(s)/2)
	for i := range out {
		hi, lo := strings.IndexByte(hexDigits, s[2*i]|0x20), strings.IndexByte(hexDigits, s[2*i+1]|0x20)
		if hi < 0 || lo < 0 {
			return nil, false
		}
		out[i] = byte(hi<<4 | lo)
	}
	return out, true
}

const hexDigits = "0123456789abcdef"
