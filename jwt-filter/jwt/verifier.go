// Package jwt decides whether a request carries the tokens that its rule requires (RFC 7519, with the
// demands of RFC 8725). It is pure: it runs natively in tests and tools, and in Wasm unchanged.
//
// Config is what the author wrote; New compiles it to a Verifier; Decide judges one request.
package jwt

import (
	"time"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/decision"
	workload "github.com/palisade-mesh/palisade/filters/identity"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Verifier is a compiled configuration with the keys that its providers have at the moment. It is not safe for concurrent
// use: each worker has its own.
type Verifier struct {
	config     *Config
	clients    workload.Resolver
	signatures budgeted
	keys       [][]*Key // by provider; nil: not fetched yet
	cache      *tokenCache
	fallback   Requirement // where no rule matches
	outputs    []string    // every header that a client must not set

	// Of the request at hand, here so that they are not allocated for each.
	locator locator
	tokens  tokens
	result  Result
}

// Result is a decision, and what is to be done to the request that it allows. It is valid until the next Decide.
type Result struct {
	decision.Decision
	Path        string // normal form
	Principal   string // request principal: issuer + "/" + subject
	Missing     bool   // refused for want of a token, not for a bad one
	CacheHits   int
	CacheMisses int
	Lacks       Lacks       // what keys might change the decision
	Claims      string      // what claims.Property is set to; "" if there is no token
	Remove      []string    // headers to remove
	Take        TokenPlaces // where to take tokens out, after that
	Set         [][2]string // headers to set, after the removals
}

// Lacks are providers whose keys might change a decision, if they were fetched: a bit for each, in the order of the
// configuration.
type Lacks struct {
	Keys   uint64 // of these there is no set yet
	KeyIDs uint64 // of these the set has no key of a token's ID
}

// Any tells whether there is such a provider.
func (l Lacks) Any() bool { return l.Keys|l.KeyIDs != 0 }

// New compiles a configuration. The Verifier remembers no tokens until it is told to.
func New(c *Config, s Signatures) *Verifier {
	v := &Verifier{
		config: c, clients: c.Clients, signatures: budgeted{Signatures: s}, keys: make([][]*Key, len(c.Providers)),
		cache: newTokenCache(CacheConfig{}, [16]byte{}), fallback: anyProvider(len(c.Providers)),
	}
	for i := range c.Providers {
		p := &c.Providers[i]
		v.keys[i] = p.Keys
		if p.PayloadHeader != "" {
			v.outputs = append(v.outputs, p.PayloadHeader)
		}
		for _, o := range p.ClaimHeaders {
			v.outputs = append(v.outputs, o.Header)
		}
	}
	return v
}

// RememberTokens has the Verifier remember what tokens came to, as far as the configuration says. It finds them by digests
// under the key, which has to be one that nobody can guess.
func (v *Verifier) RememberTokens(key [16]byte) { v.cache = newTokenCache(v.config.Cache, key) }

// SetKeys gives a provider, by its place in the configuration, the keys of a set that was fetched, and forgets the tokens
// that other keys have verified. It returns how many of the keys the provider can use.
func (v *Verifier) SetKeys(provider int, keys []*Key) int {
	v.keys[provider] = v.config.Providers[provider].fitting(keys)
	v.cache.dropProvider(provider)
	return len(v.keys[provider])
}

// Clients tells apart who sends requests, as the configuration says.
func (v *Verifier) Clients() *workload.Resolver { return &v.clients }

// Decide judges a request at a point in time.
func (v *Verifier) Decide(r *request.Request, now time.Time) *Result {
	res := &v.result
	res.Take.reset()
	*res = Result{
		Decision: decision.Decision{Effect: decision.Allow, Status: 200},
		Remove:   res.Remove[:0], Take: res.Take, Set: res.Set[:0],
	}
	v.decide(r, now, res)
	return res
}

func (v *Verifier) decide(r *request.Request, now time.Time, res *Result) {
	v.antiSpoof(r, res)
	requirement := v.requirement(r, res)
	if requirement == nil {
		return
	}
	if v.config.BypassCORS && r.IsCORSPreflight() {
		res.Reason = "a CORS preflight needs no token"
		return
	}
	wanted := requirement.providers()
	if wanted == 0 {
		res.Reason = "no token is required"
		return
	}
	if err := v.locator.locate(r, v.config.Providers, wanted); err != nil {
		res.deny(400, "not everybody would find the same tokens: "+err.Error())
		return
	}
	if v.locator.tooMany {
		res.deny(401, "the request has too many tokens")
		return
	}
	v.signatures.left = maxSignatures
	state := &v.tokens
	*state = tokens{}
	found := v.locator.found
	for i := range found {
		v.judge(&found[i], r, now, state, res)
	}
	verdict, used := requirement.evaluate(state.outcome)
	if verdict == invalid && state.definite {
		res.Lacks = Lacks{} // no key would change that
	}
	switch {
	case verdict == invalid:
		res.deny(401, state.rejected)
		return
	case verdict == undecided:
		res.deny(503, state.undecided)
		return
	case verdict == missing && len(found) == 0:
		res.Missing = true
		res.deny(401, "the request has no token")
		return
	case verdict == missing:
		res.deny(401, "a token of another provider is required as well")
		return
	case used != 0:
		res.Reason = "the token is valid"
	case len(found) > 0 && state.rejected == "":
		res.Reason = "the token is ignored: " + state.undecided
	case len(found) > 0:
		res.Reason = "the token is ignored: " + state.rejected
	default:
		res.Reason = "no token, and none is required"
	}
	v.publish(res, state, used)
	if len(found) > 0 {
		v.take(res, wanted)
	}
}

func (res *Result) deny(status uint32, reason string) {
	res.Effect, res.Status, res.Reason = decision.Deny, status, reason
}

// antiSpoof removes what a client sent under the names that the filter hands claims on by, whatever the
// rule says.
func (v *Verifier) antiSpoof(r *request.Request, res *Result) {
	headers := r.Headers()
	for _, name := range v.outputs {
		for i := range headers {
			if headers[i][0] == name {
				res.Remove = append(res.Remove, name)
				break
			}
		}
	}
}

// requirement is that of the first rule that matches, nil if the request is refused because that cannot be told.
func (v *Verifier) requirement(r *request.Request, res *Result) *Requirement {
	path, other, err := r.Paths(v.config.Normalization)
	res.Path = path
	if err != nil {
		res.deny(400, err.Error())
		return nil
	}
	n, err := v.rule(r, path)
	if err == nil && other != "" {
		// A client must not choose the reading: "/public/..;/admin" would be public.
		var m int
		if m, err = v.rule(r, other); err == nil && m != n {
			res.deny(400, "the path has two readings, for which there are different rules")
			return nil
		}
	}
	switch {
	case err != nil:
		res.deny(503, "the rule could not be chosen: "+err.Error())
		return nil
	case n == len(v.config.Rules):
		return &v.fallback
	}
	res.Rule = v.config.Rules[n].Path
	return &v.config.Rules[n].Require
}

// rule is the number of the first rule that matches, one past the last if none does.
func (v *Verifier) rule(r *request.Request, path string) (int, error) {
	for i := range v.config.Rules {
		if _, ok, err := v.config.Rules[i].Match.Match(r, path); ok || err != nil {
			return i, err
		}
	}
	return len(v.config.Rules), nil
}

// tokens is what is known of a request's tokens so far.
type tokens struct {
	outcome
	identities [maxTokens]*identity // accepted ones
	accepted   int
	rejected   string // why the first is that was
	undecided  string // why the first is that is
	definite   bool   // a token was rejected that no key would save
}

// judge finds out who accepts a token.
func (v *Verifier) judge(l *located, r *request.Request, now time.Time, state *tokens, res *Result) {
	key := v.cache.fingerprint(l.token)
	var parsed *Token
	var why, open rejection
	var lacks Lacks
	for i := range v.config.Providers {
		if !l.providers.has(i) {
			continue
		}
		p := &v.config.Providers[i]
		id := v.cache.get(i, key)
		hit := id != nil
		var no rejection
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
			id, no = p.verify(i, parsed, v.keys[i], &v.signatures, now)
		}
		if id != nil {
			no = p.current(id, now, r, &v.clients)
		}
		if no.reason == "" {
			if !hit {
				v.cache.put(key, len(l.token), id)
			}
			state.valid |= 1 << i
			state.identities[state.accepted] = id
			state.accepted++
			return
		}
		if p.Remote != nil {
			switch no.lacks {
			case lacksKeys:
				lacks.Keys |= 1 << i
			case lacksKeyID:
				lacks.KeyIDs |= 1 << i
			}
		}
		if no.undecided {
			open = no
			continue
		}
		if hit {
			v.cache.drop(i, key)
		}
		// Of several providers, the one whose token it claims to be says best what is wrong.
		if parsed == nil || why.reason == "" || parsed.isFrom(p.Issuer) {
			why = no
		}
	}
	res.Lacks.Keys |= lacks.Keys
	res.Lacks.KeyIDs |= lacks.KeyIDs
	if open.reason != "" {
		state.outcome.undecided |= l.providers
		if state.undecided == "" {
			state.undecided = open.reason
		}
		return
	}
	state.invalid |= l.providers
	state.definite = state.definite || !lacks.Any()
	if state.rejected == "" {
		state.rejected = why.reason
	}
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
		for _, o := range id.outputs {
			if !v.handsOn(done, o[0]) {
				res.Set = append(res.Set, o)
			}
		}
		done |= bit
	}
}

// handsOn tells whether one of some providers hands claims on by a header, which then is about its user and nobody else's.
func (v *Verifier) handsOn(providers providerSet, header string) bool {
	for i := range v.config.Providers {
		if providers.has(i) && v.config.Providers[i].handsOn(header) {
			return true
		}
	}
	return false
}

// take has the tokens taken out of the request, the ignored ones too, unless they are to be forwarded.
func (v *Verifier) take(res *Result, wanted providerSet) {
	for i := range v.config.Providers {
		if p := &v.config.Providers[i]; wanted.has(i) && !p.Forward {
			// A header that claims are handed on by is removed whole: what the client put beside the token must not come
			// back.
			res.Take.add(p, v.outputs)
		}
	}
	res.Take.Alone = v.locator.alone
}

// bytesOf is a string's memory, not to be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
