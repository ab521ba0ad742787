// Package plugin is authz-filter's shell: it moves a request from the host to the Policy and the decision
// back. It decides nothing.
package plugin

import (
	"github.com/palisade-mesh/palisade/authz-filter/authz"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Filter is authz-filter.
var Filter = host.Filter{Name: "authz-filter", Configure: host.Configured(authz.Decode, New)}

// New starts the filter with a configuration, which it takes over.
func New(h host.Host, c *authz.Config) (host.Handler, error) {
	p := &plugin{expressions: expressions{h}, reporter: report.Reporter{
		Filter: "authz", Property: "palisade.authz", Mode: c.Mode, Audit: c.Audit, Response: c.Response,
	}}
	policy, err := authz.Compile(c, &p.expressions)
	if err != nil {
		return nil, err
	}
	p.policy = policy
	return p, nil
}

type plugin struct {
	policy      *authz.Policy
	reporter    report.Reporter
	expressions expressions

	// Of the request at hand, here so that they are not allocated for each.
	request request.Request
	record  decision.Record
}

// expressions is the proxy's CEL engine.
type expressions struct {
	host host.Host // of the call that is under way
}

func (x *expressions) Compile(text string) (uint32, error) {
	e, err := host.CompileExpression(x.host, text)
	return uint32(e), err
}

func (x *expressions) Evaluate(id uint32) (bool, error) {
	return host.EvaluateExpression(x.host, host.Expression(id))
}

// RequestHeaders implements host.Handler.
func (p *plugin) RequestHeaders(h host.Host) host.Action {
	p.expressions.host = h
	r, err := request.Of(h, &p.request)
	if err != nil {
		return p.reporter.Undecidable(h, err, true)
	}
	res := p.policy.Decide(r)
	record := &p.record
	*record = decision.Record{
		Decision: res.Decision, Principal: res.Principal, RequestPrincipal: res.RequestPrincipal, RemoteIP: res.RemoteIP,
		Method: r.Method(), Host: r.Host(), Path: res.Path, RequestID: r.ID(),
	}
	if res.HasShadow || len(res.Audits) > 0 {
		p.note(h, *record, res)
	}
	p.reporter.Decision(h, record)
	if res.Effect == decision.Allow || p.reporter.Mode == decision.DryRun {
		return host.Continue
	}
	detail := "access is denied"
	switch res.Status {
	case 400:
		detail = "the request is malformed"
	case 503:
		detail = "the request could not be checked"
		p.reporter.Error(h, "undecided")
	}
	return p.reporter.Refuse(h, res.Decision, detail, r.IsGRPC())
}

// note reports what enforcing the policies in dry-run would have done, and what AUDIT policies saw.
func (p *plugin) note(h host.Host, record decision.Record, res *authz.Result) {
	if res.HasShadow {
		record.Decision = res.Shadow
		p.reporter.Note(h, &record, decision.DryRun)
	}
	for _, m := range res.Audits {
		record.Decision = decision.Decision{
			Effect: decision.Allow, Status: 200, Policy: m.Policy, Rule: m.Rule, Reason: "the AUDIT rule matches",
		}
		mode := decision.Enforce
		if m.DryRun {
			mode = decision.DryRun
		}
		p.reporter.Note(h, &record, mode)
	}
}
