// Package report makes decisions known: as filter state for access logs and later filters, as log lines,
// as metrics, and as the reply to a refused caller.
package report

import (
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
)

// LogPrefix precedes the JSON of a record in the proxy's log.
const LogPrefix = "palisade-decision "

// Reporter reports the decisions of one filter on one worker. It is not safe for concurrent use.
type Reporter struct {
	Filter   string // "authz", as in records, metrics and the property palisade.<filter>
	Property string // where the record is published
	Mode     decision.Mode
	Audit    decision.Audit
	Response decision.Response

	decisions decisionCounters
	counters  host.Counters
	buf       []byte
}

// Decision publishes a record, logs it if it is to be audited, and counts it. A host that cannot store or
// count is not a reason to decide otherwise, but it is counted as an error.
func (p *Reporter) Decision(h host.Host, r *decision.Record) {
	r.Filter, r.Mode = p.Filter, p.Mode
	c := p.decisions.of(r.Policy)
	p.write(h, r, c.allowed)
	if h.SetProperty(p.Property, p.buf) != nil {
		p.Error(h, "record")
	}
	if p.Audit.Logs(r.Effect) {
		h.Log(host.Info, LogPrefix+string(p.buf))
	}
	p.decisions.add(h, p.Filter, c, r.Effect, p.Mode)
}

// write writes a record's line, with what is known of parts that are often the same.
func (p *Reporter) write(h host.Host, r *decision.Record, allowed *allowed) {
	b := p.buf[:0]
	if allowed.remembers(r) {
		b = allowed.append(b, r)
	} else {
		b = r.AppendDecision(b)
	}
	b = r.AppendCaller(b)
	if shared, ok := h.(SharedOperation); ok {
		b = shared.Operation().append(b, r)
	} else {
		b = r.AppendOperation(b)
	}
	p.buf = append(b, '}')
}

// Note logs and counts what a policy saw that did not decide: one in dry-run, or one that only audits.
// Whoever wrote such a policy asked to hear of it, so it is logged unless logging is off.
func (p *Reporter) Note(h host.Host, r *decision.Record, mode decision.Mode) {
	r.Filter, r.Mode = p.Filter, mode
	if p.Audit != decision.AuditOff {
		p.buf = r.AppendJSON(p.buf[:0])
		h.Log(host.Info, LogPrefix+string(p.buf))
	}
	p.decisions.add(h, p.Filter, p.decisions.of(r.Policy), r.Effect, mode)
}

// Error counts a failure that is not the request's.
func (p *Reporter) Error(h host.Host, kind string) {
	p.counters.Add(h, "palisade.errors.filter."+p.Filter+".kind."+kind)
}

// Count counts an event under a metric's full name.
func (p *Reporter) Count(h host.Host, name string) { p.counters.Add(h, name) }

// Refuse answers a denied request. Whether or not the host takes the reply, the request does not go on.
func (p *Reporter) Refuse(h host.Host, d decision.Decision, detail string, grpc bool, headers ...[2]string) host.Action {
	reply := p.Response.Reply(d, detail, grpc, headers...)
	if h.Reply(reply.Status, reply.Headers, reply.Body, reply.GRPC) != nil {
		p.Error(h, "reply")
	}
	return host.Stop
}

// Resume lets a request go on that waited. One that the host does not let go on is refused.
func (p *Reporter) Resume(h host.Host, grpc bool) {
	if h.Resume() != nil {
		p.Error(h, "resume")
		p.Refuse(h, decision.Decision{Effect: decision.Deny, Status: 503}, "the request could not be resumed", grpc)
	}
}

// Undecidable records a request about which nothing is known, because its headers could not be read, and
// refuses it. In dry-run it passes if that is harmless: to a filter that has to take headers out of requests
// it is not.
func (p *Reporter) Undecidable(h host.Host, err error, harmless bool) host.Action {
	r := decision.Record{Decision: decision.Decision{
		Effect: decision.Deny, Status: 503, Reason: "the request could not be read: " + err.Error(),
	}}
	p.Decision(h, &r)
	p.Error(h, "request")
	if harmless && p.Mode == decision.DryRun {
		return host.Continue
	}
	return p.Refuse(h, r.Decision, "the request could not be checked", false)
}
