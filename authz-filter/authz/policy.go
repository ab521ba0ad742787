// Package authz decides whether a workload may, on behalf of a user, do what a request asks for. It is
// pure: it runs natively in tests and tools, and in Wasm unchanged.
//
// Config is what the author wrote; Compile makes a Policy of it, in which the rules of each action are an index;
// Decide judges one request.
package authz

import (
	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Policy is a compiled configuration. It remembers whom it has seen and reuses its memory from request to request:
// each worker has its own, and it is not safe for concurrent use.
type Policy struct {
	config      *Config
	expressions Expressions
	workloads   *workloads
	claims      *claimset.Reader

	deny, allow, audit *ruleSet

	// Of the request at hand, here so that they are not allocated for each.
	subject subject
	result  Result
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
	if err := compileExpressions(c, x); err != nil {
		return nil, err
	}
	return &Policy{
		config:      c,
		expressions: x,
		workloads:   newWorkloads(&c.Identity),
		claims:      claimset.NewReader(c.Claims),
		deny:        newRuleSet(c.Policies, ActionDeny),
		allow:       newRuleSet(c.Policies, ActionAllow),
		audit:       newRuleSet(c.Policies, ActionAudit),
	}, nil
}

func compileExpressions(c *Config, x Expressions) error {
	var mistakes config.Mistakes
	seen := map[*Condition]bool{}
	for i := range c.Policies {
		for j := range c.Policies[i].Rules {
			for _, condition := range c.Policies[i].Rules[j].When {
				if condition.cel == "" || seen[condition] {
					continue
				}
				seen[condition] = true
				var err error
				if condition.expression, err = x.Compile(condition.cel); err != nil {
					mistakes = append(mistakes, config.Mistake{Path: condition.path, What: "found \"" + condition.cel + "\": " + err.Error()})
				}
			}
		}
	}
	if mistakes != nil {
		return mistakes
	}
	return nil
}

// Result is a decision with what the record says besides.
type Result struct {
	decision.Decision
	Path             string // normal form
	Principal        string // as the certificate has it
	RequestPrincipal string
	RemoteIP         string
	// Shadow is what would have been decided if policies in dry-run were enforced, if that is something else.
	Shadow    decision.Decision
	HasShadow bool
	// Audits are the AUDIT policies that match.
	Audits []Match
}

// Match is a rule that matched without deciding.
type Match struct {
	Policy string
	Rule   string
	DryRun bool
}

// Decide judges a request: a matching DENY denies; else a matching ALLOW allows; else the default stands. The Result is valid
// until the next Decide.
func (p *Policy) Decide(r *request.Request) *Result {
	res := &p.result
	*res = Result{}
	path, other, err := r.Paths(p.config.Normalization)
	res.Path = path
	if err != nil {
		res.Decision = denied(400, err.Error())
		return res
	}
	s := &p.subject
	*s = subject{policy: p, request: r, path: path, other: other}
	if s.workload, err = p.workloads.of(r); err != nil {
		res.Decision = denied(503, "who asks could not be found out: "+err.Error())
		return res
	}
	s.claims = p.claims.Read(r)
	res.Principal, res.RequestPrincipal = s.workload.id.Name(), s.claims.Principal()
	res.RemoteIP = s.remoteIP()

	res.Audits = p.audit.all(s)
	deny, shadowDeny := p.deny.first(s)
	if deny.rule != nil {
		res.Decision = deny.denial(s)
	} else {
		allow, shadowAllow := p.allow.first(s)
		res.Decision = p.conclude(s, allow, false)
		if p.dryRun() && shadowDeny.rule == nil {
			res.Shadow = p.conclude(s, shadowAllow, true)
		}
	}
	if p.dryRun() && shadowDeny.rule != nil {
		res.Shadow = shadowDeny.denial(s)
	}
	res.HasShadow = p.dryRun() && res.Shadow != res.Decision
	return res
}

// dryRun tells whether there is a policy that is not enforced, and so something to tell of what it would do.
func (p *Policy) dryRun() bool { return p.deny.dryRun || p.allow.dryRun }

// conclude decides once no DENY rule matches.
func (p *Policy) conclude(s *subject, allow found, shadow bool) decision.Decision {
	switch {
	case allow.rule != nil:
		return decision.Decision{
			Effect: decision.Allow, Status: 200, Policy: allow.policy.Name, Rule: allow.path, Reason: "the ALLOW rule matches",
		}
	case p.config.Default == decision.Allow:
		return decision.Decision{Effect: decision.Allow, Status: 200, Reason: "no policy decides, and the default is to allow"}
	}
	near := p.allow.nearest(s, shadow)
	if near.rule == nil {
		return denied(403, "no ALLOW policy is there, and the default is to deny")
	}
	d := denied(403, "no ALLOW rule matches; nearest: "+near.rule.explain(s, allowing).String())
	d.Policy, d.Rule = near.policy.Name, near.path
	return d
}

// denial is the decision of a DENY rule that matches.
func (f *found) denial(s *subject) decision.Decision {
	d := denied(403, "the DENY rule matches"+f.rule.explain(s, denying).doubt())
	d.Policy, d.Rule = f.policy.Name, f.path
	return d
}

func denied(status uint32, reason string) decision.Decision {
	return decision.Decision{Effect: decision.Deny, Status: status, Reason: reason}
}
