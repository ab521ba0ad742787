// Package plugin is authz-filter's shell: it moves a request from the host to the Policy and the decision
// back. It decides nothing.
package plugin

import (
	"errors"

	"github.com/palisade-mesh/palisade/authz-filter/authz"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Filter is authz-filter.
var Filter = host.Filter{Name: "authz-filter", Configure: configure}

func configure(h host.Host) (host.Handler, error) {
	raw, err := h.Configuration()
	if err != nil {
		return nil, errors.New("config: the host did not give it: " + err.Error())
	}
	c, err := authz.Decode(raw)
	if err != nil {
		return nil, err
	}
	return &plugin{policy: authz.Compile(c), reporter: report.Reporter{
		Filter: "authz", Property: "palisade.authz", Mode: c.Mode, Audit: c.Audit, Response: c.Response,
	}}, nil
}

type plugin struct {
	policy   *authz.Policy
	reporter report.Reporter
}

// RequestHeaders implements host.Handler.
func (p *plugin) RequestHeaders(h host.Host) host.Action {
	r, err := request.Load(h)
	if err != nil {
		return p.reporter.Undecidable(h, err)
	}
	res := p.policy.Decide(r)
	record := decision.Record{
		Decision: res.Decision, Principal: res.Principal, RequestPrincipal: res.RequestPrincipal, RemoteIP: r.RemoteIP(),
		Method: r.Method(), Host: r.Host(), Path: res.Path, RequestID: r.ID(),
	}
	p.shadow(h, record, res.Shadow)
	p.reporter.Decision(h, &record)
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

// shadow reports what dry-run policies would have done, and what AUDIT policies saw.
func (p *plugin) shadow(h host.Host, record decision.Record, matches []authz.Match) {
	for _, m := range matches {
		record.Policy, record.Rule = m.Policy, m.Rule
		record.Effect, record.Status, record.Reason = decision.Allow, 200, "the "+string(m.Action)+" rule matches"
		if m.Action == authz.ActionDeny {
			record.Effect, record.Status = decision.Deny, 403
		}
		mode := decision.DryRun
		if !m.DryRun {
			mode = decision.Enforce
		}
		p.reporter.Note(h, &record, mode)
	}
}
