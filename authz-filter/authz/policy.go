// Package authz decides whether a workload may, on behalf of a user, do what a request asks for. It is
// pure: it runs natively in tests and tools, and in Wasm unchanged.
//
// Config is what the author wrote; Compile makes a Policy of it; Decide judges one request.
package authz

import (
	"slices"

	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/filters/spiffe"
)

// Policy is a compiled configuration. It is immutable.
type Policy struct {
	config              *Config
	expressions         Expressions
	deny, allow, audits []entry
}

// entry is one rule with the policy that it belongs to.
type entry struct {
	policy *PolicyConfig
	path   string // "rules[0]"
	rule   *RuleConfig
}

// Result is a decision with what the record says besides.
type Result struct {
	decision.Decision
	Path             string // normal form
	Principal        string
	RequestPrincipal string
	// Shadow are the decisions of dry-run policies that differ from the one that stands, and the matches
	// of AUDIT policies.
	Shadow []Match
}

// Match is a rule that matched without deciding.
type Match struct {
	Policy string
	Rule   string
	Action Action
	DryRun bool
}

// Expressions is an engine of CEL: in a proxy, the proxy's own.
type Expressions interface {
	// Compile gives the id of an expression that is to come to true or false.
	Compile(text string) (id uint32, err error)
	// Evaluate evaluates an expression on the request at hand.
	Evaluate(id uint32) (bool, error)
}

// Compile makes a Policy of a checked configuration, which it takes over. The error is config.Mistakes: an
// expression that the engine does not accept.
func Compile(c *Config, x Expressions) (*Policy, error) {
	if err := c.compileExpressions(x); err != nil {
		return nil, err
	}
	p := &Policy{config: c, expressions: x}
	for i := range c.Policies {
		policy := &c.Policies[i]
		for j := range policy.Rules {
			e := entry{policy: policy, path: rulePath(j), rule: &policy.Rules[j]}
			switch policy.Action {
			case ActionDeny:
				p.deny = append(p.deny, e)
			case ActionAllow:
				p.allow = append(p.allow, e)
			default:
				p.audits = append(p.audits, e)
			}
		}
	}
	return p, nil
}

func (c *Config) compileExpressions(x Expressions) error {
	var mistakes config.Mistakes
	for i := range c.Policies {
		for j := range c.Policies[i].Rules {
			when := c.Policies[i].Rules[j].When
			for k := range when {
				if when[k].CEL == "" {
					continue
				}
				var err error
				if when[k].expression, err = x.Compile(when[k].CEL); err != nil {
					mistakes = append(mistakes, config.Mistake{Path: when[k].Path, What: "found \"" + when[k].CEL + "\": " + err.Error()})
				}
			}
		}
	}
	if mistakes != nil {
		return mistakes
	}
	return nil
}

// Decide judges a request: a matching DENY denies; else a matching ALLOW allows; else the default stands.
func (p *Policy) Decide(r *request.Request) Result {
	var res Result
	path, err := match.NormalPath(r.RawPath(), p.config.Normalization)
	if err != nil {
		return res.deny(400, "", "", err.Error())
	}
	res.Path = path
	s, err := p.subject(r, path)
	if err != nil {
		return res.deny(503, "", "", "who asks could not be found out: "+err.Error())
	}
	res.Principal, res.RequestPrincipal = s.peer.Name(), s.firstPrincipal()

	for i := range p.audits {
		e := &p.audits[i]
		if e.rule.match(s, denying).ok {
			res.shadow(e)
		}
	}
	for i := range p.deny {
		e := &p.deny[i]
		m := e.rule.match(s, denying)
		if !m.ok {
			continue
		}
		if e.policy.DryRun {
			res.shadow(e)
			continue
		}
		return res.deny(403, e.policy.Name, e.path, "the DENY rule matches"+m.doubt())
	}
	var nearest mismatch
	var near *entry
	for i := range p.allow {
		e := &p.allow[i]
		m := e.rule.match(s, allowing)
		switch {
		case m.ok && e.policy.DryRun:
			res.shadow(e)
		case m.ok:
			res.Decision = decision.Decision{
				Effect: decision.Allow, Status: 200, Policy: e.policy.Name, Rule: e.path, Reason: "the ALLOW rule matches",
			}
			return res
		case !e.policy.DryRun && (near == nil || m.met > nearest.met):
			nearest, near = m, e
		}
	}
	if p.config.Default == decision.Allow {
		res.Decision = decision.Decision{Effect: decision.Allow, Status: 200, Reason: "no policy decides, and the default is to allow"}
		return res
	}
	if near == nil {
		return res.deny(403, "", "", "no ALLOW policy is there, and the default is to deny")
	}
	return res.deny(403, near.policy.Name, near.path, "no ALLOW rule matches; nearest: "+nearest.String())
}

func (res *Result) deny(status uint32, policy, rule, reason string) Result {
	res.Decision = decision.Decision{Effect: decision.Deny, Status: status, Policy: policy, Rule: rule, Reason: reason}
	return *res
}

func (res *Result) shadow(e *entry) {
	res.Shadow = append(res.Shadow, Match{Policy: e.policy.Name, Rule: e.path, Action: e.policy.Action, DryRun: e.policy.DryRun})
}

// subject is a request with who asks.
type subject struct {
	request   *request.Request
	path      string
	peer      spiffe.ID // zero: nobody
	claims    []claimSet
	claimsErr error

	expressions Expressions
}

// subject finds out who asks. Claims that cannot be read are an error only of the conditions that need
// them.
func (p *Policy) subject(r *request.Request, path string) (*subject, error) {
	peer, err := r.Peer()
	if err != nil {
		return nil, err
	}
	if !peer.IsZero() && p.config.TrustDomains != nil && !slices.Contains(p.config.TrustDomains, peer.TrustDomain()) {
		peer = spiffe.ID{} // vouched for by somebody who is not trusted to
	}
	s := &subject{request: r, path: path, peer: peer, expressions: p.expressions}
	s.claims, s.claimsErr = readClaims(r)
	return s, nil
}
