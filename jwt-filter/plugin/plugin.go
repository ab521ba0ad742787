// Package plugin is jwt-filter's shell: it moves a request from the host to the Verifier and the result
// back, and lets requests wait for keys. It decides nothing.
package plugin

import (
	"errors"
	"time"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/jwt-filter/jwks"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
)

// Filter is jwt-filter.
var Filter = host.Filter{Name: "jwt-filter", Configure: host.Configured(jwt.Decode, New)}

// New starts the filter with a configuration, which it takes over.
func New(h host.Host, c *jwt.Config) (host.Handler, error) {
	p := &plugin{reporter: report.Reporter{
		Filter: "jwt", Property: "palisade.jwt.decision", Mode: c.Mode, Audit: c.Audit, Response: c.Response,
	}}
	p.verifier = jwt.New(c, p.chooseSignatures(h))
	var key [16]byte
	if err := h.Random(key[:]); err != nil {
		p.reporter.Error(h, "random") // every token is then verified anew
	} else {
		p.verifier.RememberTokens(key)
	}
	if p.keeper = jwks.New(c, p.verifier, p.reporter.Count); p.keeper != nil {
		if err := p.keeper.Start(h); err != nil {
			return nil, errors.New("the host has no ticks, without which keys cannot be fetched: " + err.Error())
		}
	}
	return p, nil
}

type plugin struct {
	verifier     *jwt.Verifier
	keeper       *jwks.Keeper // nil: no provider is remote
	waiting      []waiting
	reporter     report.Reporter
	host         host.Host // of the call that is under way
	argument     []byte
	arriving     waiting // what the request at hand would wait as
	hits, misses host.Metric

	// Of the request at hand, here so that they are not allocated for each.
	request *request.Request
	own     request.Request // unless it is shared
	record  decision.Record
}

// chooseSignatures uses the host's verify_signature if there is one that works, shown by a known signature
// that it must accept and one bit less that it must not.
func (p *plugin) chooseSignatures(h host.Host) jwt.Signatures {
	onHost := jwt.OnHost{Check: p.check, Forged: host.ErrSignature}
	p.host = h
	if jwt.Probe(onHost) {
		p.reporter.Count(h, "palisade.jwt_signatures.on.host")
		return onHost
	}
	p.reporter.Count(h, "palisade.jwt_signatures.on.wasm")
	return jwt.InWasm{}
}

func (p *plugin) check(hash string, publicKey, signature []byte, text string) error {
	argument, err := host.VerifySignature(p.host, p.argument, hash, publicKey, signature, text)
	p.argument = argument
	return err
}

// RequestHeaders implements host.Handler.
func (p *plugin) RequestHeaders(h host.Host) host.Action {
	now := h.Now()
	p.arriving = waiting{stream: h.Stream(), since: now}
	action, waits := p.handle(h, &p.arriving, now)
	if waits {
		p.waiting = append(p.waiting, p.arriving)
	}
	return action
}

// handle decides about the request at hand and does what follows from it, unless the request has to wait for keys.
func (p *plugin) handle(h host.Host, w *waiting, now time.Time) (action host.Action, waits bool) {
	p.host = h
	r, err := request.Of(h, &p.own)
	p.request = r
	if err != nil {
		return p.reporter.Undecidable(h, err, false), false
	}
	res := p.verifier.Decide(r, now)
	// In dry-run nobody waits: the fetch is started, and what is decided is decided now.
	if res.Lacks.Any() && p.keeper != nil && p.await(h, res, w, now) && p.reporter.Mode == decision.Enforce {
		if w.admitted || len(p.waiting) < maxWaiting {
			w.admitted = true
			return host.Stop, true
		}
		p.reporter.Error(h, "waiting")
		if res.Effect == decision.Deny {
			res.Decision = decision.Decision{Effect: decision.Deny, Status: 503, Rule: res.Rule, Reason: "too many requests wait for keys"}
		}
	}
	return p.conclude(h, r, res), false
}

// await asks for the keys that a decision lacks, and returns whether to wait for them. If others are there already, the
// decision is made anew.
func (p *plugin) await(h host.Host, res *jwt.Result, w *waiting, now time.Time) bool {
	const tries = 4 // each finds other keys, which other workers have fetched just now
	for range tries {
		var answer jwks.Answer
		answer, w.deadline = p.keeper.Await(h, res.Lacks, w.since, now)
		if answer != jwks.Again {
			return answer == jwks.Wait
		}
		if p.verifier.Decide(p.request, now); !res.Lacks.Any() { // which is told in res
			return false
		}
	}
	return false
}

// conclude does what follows from a decision.
func (p *plugin) conclude(h host.Host, r *request.Request, res *jwt.Result) host.Action {
	p.countCache(h, res)
	pass := res.Effect == decision.Allow || p.reporter.Mode == decision.DryRun
	// Before the record, which is to say what became of the request.
	if pass && apply(h, r, res) != nil {
		pass = false
		p.reporter.Error(h, "apply")
		res.Decision = decision.Decision{Effect: decision.Deny, Status: 503, Rule: res.Rule, Reason: "the request could not be changed as it has to be"}
	}
	client, _ := p.verifier.Clients().Workload(r) // for the record only
	p.record = decision.Record{
		Decision: res.Decision, Principal: client.Name(), RequestPrincipal: res.Principal, RemoteIP: r.RemoteIP(),
		Method: r.Method(), Host: r.Host(), Path: res.Path, RequestID: r.ID(),
	}
	p.reporter.Decision(h, &p.record)
	if pass {
		return host.Continue
	}
	return p.refuse(h, r, res)
}

// refuse answers as RFC 6750 section 3 asks for.
func (p *plugin) refuse(h host.Host, r *request.Request, res *jwt.Result) host.Action {
	switch {
	case res.Status == 401 && res.Missing:
		return p.reporter.Refuse(h, res.Decision, "a token is required", r.IsGRPC(),
			[2]string{"www-authenticate", jwt.Challenge(r.Host(), "")})
	case res.Status == 401:
		return p.reporter.Refuse(h, res.Decision, "the token is not accepted", r.IsGRPC(),
			[2]string{"www-authenticate", jwt.Challenge(r.Host(), res.Reason)})
	case res.Status == 400:
		return p.reporter.Refuse(h, res.Decision, "the request is malformed", r.IsGRPC())
	}
	p.reporter.Error(h, "undecided")
	return p.reporter.Refuse(h, res.Decision, "the request could not be checked", r.IsGRPC())
}

func (p *plugin) countCache(h host.Host, res *jwt.Result) {
	p.hits.Add(h, host.Counter, "palisade.jwt_cache.result.hit", int64(res.CacheHits))
	p.misses.Add(h, host.Counter, "palisade.jwt_cache.result.miss", int64(res.CacheMisses))
}
