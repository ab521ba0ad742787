// Package plugin is jwt-filter's shell: it moves a request from the host to the Verifier and the result
// back. It decides nothing.
package plugin

import (
	"errors"

	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/jwt-filter/jwt"
)

// Filter is jwt-filter.
var Filter = host.Filter{Name: "jwt-filter", Configure: configure}

func configure(h host.Host) (host.Handler, error) {
	raw, err := h.Configuration()
	if err != nil {
		return nil, errors.New("config: the host did not give it: " + err.Error())
	}
	c, err := jwt.Decode(raw)
	if err != nil {
		return nil, err
	}
	p := &plugin{reporter: report.Reporter{
		Filter: "jwt", Property: "palisade.jwt.decision", Mode: c.Mode, Audit: c.Audit, Response: c.Response,
	}}
	p.verifier = jwt.New(c, p.chooseSignatures(h))
	return p, nil
}

type plugin struct {
	verifier *jwt.Verifier
	reporter report.Reporter
	host     host.Host // of the call that is under way
	argument []byte

	// Of the request at hand, here so that they are not allocated for each.
	request request.Request
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
	p.host = h
	r := &p.request
	if err := r.Load(h); err != nil {
		return p.reporter.Undecidable(h, err, false)
	}
	res := p.verifier.Decide(r, h.Now())
	p.countCache(h, &res)
	pass := res.Effect == decision.Allow || p.reporter.Mode == decision.DryRun
	// Before the record, which is to say what became of the request.
	if pass && p.apply(h, r, &res) != nil {
		pass = false
		p.reporter.Error(h, "apply")
		res.Decision = decision.Decision{Effect: decision.Deny, Status: 503, Rule: res.Rule, Reason: "the request could not be changed as it has to be"}
	}
	peer, _ := r.Peer() // for the record only
	p.record = decision.Record{
		Decision: res.Decision, Principal: peer.Name(), RequestPrincipal: res.Principal, RemoteIP: r.RemoteIP(),
		Method: r.Method(), Host: r.Host(), Path: res.Path, RequestID: r.ID(),
	}
	p.reporter.Decision(h, &p.record)
	if pass {
		return host.Continue
	}
	return p.refuse(h, r, &res)
}

// apply changes the request as the verifier says. An error leaves a request that must not go on: it may
// still have a header that a client forged.
func (p *plugin) apply(h host.Host, r *request.Request, res *jwt.Result) error {
	for _, name := range res.Remove {
		if err := h.RemoveRequestHeader(name); err != nil {
			return err
		}
	}
	if res.Effect == decision.Deny { // dry-run
		return nil
	}
	for _, site := range res.RemoveTokens {
		if err := removeToken(h, r, site); err != nil {
			return err
		}
	}
	for _, header := range res.Set {
		if err := h.SetRequestHeader(header[0], header[1]); err != nil {
			return err
		}
	}
	if res.Claims == "" {
		return nil
	}
	return h.SetProperty(claims.Property, []byte(res.Claims))
}

// removeToken takes the tokens out of a header and leaves what is none (Basic beside Bearer).
func removeToken(h host.Host, r *request.Request, site jwt.TokenSite) error {
	var rest []string
	found := false
	r.Header(site.Header, func(value string) bool {
		without, has := site.Without(value)
		found = found || has
		if without != "" {
			rest = append(rest, without)
		}
		return true
	})
	if !found {
		return nil
	}
	if err := h.RemoveRequestHeader(site.Header); err != nil {
		return err
	}
	for _, value := range rest {
		if err := h.AddRequestHeader(site.Header, value); err != nil {
			return err
		}
	}
	return nil
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
	for range res.CacheHits {
		p.reporter.Count(h, "palisade.jwt_cache.result.hit")
	}
	for range res.CacheMisses {
		p.reporter.Count(h, "palisade.jwt_cache.result.miss")
	}
}
