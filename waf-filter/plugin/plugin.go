// Package plugin is waf-filter's shell: it moves the parts of a request and of its answer from the host to the Firewall, and
// the decision back. It decides nothing.
package plugin

import (
	"errors"
	"strconv"

	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// Filter is waf-filter.
var Filter = host.Filter{Name: name, Configure: configure}

const name = "waf-filter"

// property is where the record is.
const property = "palisade.waf"

// auditPrefix precedes the JSON of an audit record in the proxy's log.
const auditPrefix = "palisade-audit "

func configure(h host.Host) (host.Handler, error) {
	raw, err := h.Configuration()
	if err != nil {
		return nil, errors.New("config: the host did not give it: " + err.Error())
	}
	c, err := waf.Decode(raw)
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		h.Log(host.Warn, name+": config: "+w)
	}
	firewall, err := waf.Compile(c)
	if err != nil {
		return nil, err
	}
	return &plugin{
		firewall: firewall, claims: claimset.NewReader(c.Claims), streams: map[host.StreamID]*stream{},
		labels: peerLabels(c.MetricLabels),
		reporter: report.Reporter{
			Filter: "waf", Property: property, Mode: c.Mode, Audit: c.Audit, Response: c.Response,
		},
	}, nil
}

type plugin struct {
	firewall *waf.Firewall
	claims   *claimset.Reader
	reporter report.Reporter
	streams  map[host.StreamID]*stream
	labels   string // that the author gives coraza-proxy-wasm's metrics

	request request.Request // at hand
	audit   []byte
}

// stream is a request that is being inspected, until it ends.
type stream struct {
	tx      waf.Transaction
	record  decision.Record
	grpc    bool
	read    uint32 // of the body at hand
	started bool   // the client has the answer's headers
}

// RequestHeaders implements host.Handler.
func (p *plugin) RequestHeaders(h host.Host) host.Action {
	r := &p.request
	if err := r.Load(h); err != nil {
		return p.reporter.Undecidable(h, err, true)
	}
	p.reporter.Count(h, "waf_filter.tx.total")
	record, connection := p.describe(r)
	s := &stream{grpc: r.IsGRPC(), record: record}
	step := p.firewall.Begin(&s.tx, &connection, clone(r.Headers()), h.EndOfStream())
	if s.tx.Inspected() {
		p.streams[h.Stream()] = s
	}
	if step == waf.Hold { // the body decides
		return host.Continue
	}
	return p.decided(h, s, step)
}

// RequestBody implements host.Inspector.
func (p *plugin) RequestBody(h host.Host, size uint32) host.Action {
	s := p.streams[h.Stream()]
	if s == nil || s.tx.Blocked() != 0 {
		return p.afterBlock(s)
	}
	chunk, err := s.next(size, h.RequestBody)
	if err != nil {
		return p.decided(h, s, s.tx.Fail(waf.RequestBody, "the body could not be read: "+err.Error()))
	}
	return p.body(h, s, s.tx.RequestBody(chunk, h.EndOfStream()))
}

// RequestTrailers implements host.Inspector.
func (p *plugin) RequestTrailers(h host.Host) host.Action {
	s := p.streams[h.Stream()]
	if s == nil || s.tx.Blocked() != 0 {
		return p.afterBlock(s)
	}
	return p.body(h, s, s.tx.RequestTrailers())
}

// body is what becomes of a part of the request's body.
func (p *plugin) body(h host.Host, s *stream, step waf.Step) host.Action {
	if step == waf.Hold {
		return host.Stop
	}
	s.read = 0 // what passes is not counted again
	if step == waf.Pass && s.record.Effect != "" {
		return host.Continue // it was decided before
	}
	return p.decided(h, s, step)
}

// ResponseHeaders implements host.Follower.
func (p *plugin) ResponseHeaders(h host.Host) host.Action {
	s := p.streams[h.Stream()]
	if s == nil || s.tx.Blocked() != 0 {
		return host.Continue // the answer is the proxy's own
	}
	s.read = 0
	headers, err := h.ResponseHeaders()
	step := waf.Block
	if err != nil {
		s.tx.Fail(waf.ResponseHeaders, "the answer's headers could not be read: "+err.Error())
	} else {
		step = s.tx.ResponseHeaders(clone(headers), h.EndOfStream())
	}
	if step == waf.Block {
		return p.decided(h, s, step)
	}
	s.started = true
	if s.record.Effect == "" { // an answer that does not wait for the request's end
		return p.decided(h, s, waf.Pass)
	}
	return host.Continue
}

// ResponseBody implements host.Inspector.
func (p *plugin) ResponseBody(h host.Host, size uint32) host.Action {
	s := p.streams[h.Stream()]
	if s == nil || s.tx.Blocked() != 0 {
		return p.afterBlockedResponse(s)
	}
	chunk, err := s.next(size, h.ResponseBody)
	if err != nil {
		return p.decided(h, s, s.tx.Fail(waf.ResponseBody, "the answer's body could not be read: "+err.Error()))
	}
	return p.responseBody(h, s, s.tx.ResponseBody(chunk, h.EndOfStream()))
}

// ResponseTrailers implements host.Inspector.
func (p *plugin) ResponseTrailers(h host.Host) host.Action {
	s := p.streams[h.Stream()]
	if s == nil || s.tx.Blocked() != 0 {
		return p.afterBlockedResponse(s)
	}
	return p.responseBody(h, s, s.tx.ResponseTrailers())
}

func (p *plugin) responseBody(h host.Host, s *stream, step waf.Step) host.Action {
	switch step {
	case waf.Hold:
		return host.Stop
	case waf.Block:
		return p.decided(h, s, step)
	}
	s.read = 0
	return host.Continue
}

// afterBlock is what becomes of the rest of a request that was refused: nothing of it passes.
func (p *plugin) afterBlock(s *stream) host.Action {
	if s == nil || p.reporter.Mode == decision.DryRun {
		return host.Continue
	}
	return host.Stop
}

// afterBlockedResponse is what becomes of an answer: the proxy's own to a refused request passes, one that was blocked does not.
func (p *plugin) afterBlockedResponse(s *stream) host.Action {
	if s == nil || p.reporter.Mode == decision.DryRun || s.tx.Blocked() < waf.ResponseHeaders {
		return host.Continue
	}
	return host.Stop
}

// decided makes a decision known, and does what it says.
func (p *plugin) decided(h host.Host, s *stream, step waf.Step) host.Action {
	s.record.Decision = s.tx.Decision()
	reset := step == waf.Block && s.started && p.reporter.Mode == decision.Enforce
	if reset {
		s.record.Reason = "the answer had begun, and was cut off: " + s.record.Reason
	}
	p.reporter.Decision(h, &s.record)
	if step != waf.Block {
		return host.Continue
	}
	p.countBlocked(h, s)
	switch {
	case p.reporter.Mode == decision.DryRun:
		return host.Continue
	case s.record.Status == 503:
		p.reporter.Error(h, "undecided")
	}
	if reset {
		if h.Reset() != nil {
			p.reporter.Error(h, "reset")
		}
		return host.Stop
	}
	var headers [][2]string
	if to := s.tx.Location(); to != "" {
		headers = append(headers, [2]string{"location", to})
	}
	return p.reporter.Refuse(h, s.record.Decision, "the request was blocked", s.grpc, headers...)
}

// StreamEnd implements host.Follower.
func (p *plugin) StreamEnd(h host.Host) {
	s := p.streams[h.Stream()]
	if s == nil {
		return
	}
	delete(p.streams, h.Stream())
	s.tx.End()
	p.countHits(h, s)
	if rule, would := s.tx.WouldBlock(); would {
		shadow := s.record
		shadow.Decision = decision.Decision{
			Effect: decision.Deny, Status: 403, Policy: s.record.Policy, Rule: strconv.Itoa(rule), Reason: "SecRuleEngine only detects",
		}
		p.reporter.Note(h, &shadow, decision.DryRun)
	}
	if s.tx.Audited(p.reporter.Audit) {
		p.audit = s.tx.AppendAudit(p.audit[:0], &s.record)
		h.Log(host.Info, auditPrefix+string(p.audit))
	}
	s.tx.Close()
}

// Close implements host.Closer. Streams have ended by now.
func (p *plugin) Close() { p.firewall.Close() }

// next reads what has come of a body since the last time. The host counts from where it began to keep it.
func (s *stream) next(size uint32, read func(start, size uint32) ([]byte, error)) ([]byte, error) {
	if size <= s.read {
		return nil, nil
	}
	chunk, err := read(s.read, size-s.read)
	if err == nil && uint32(len(chunk)) != size-s.read {
		err = errShort
	}
	s.read = size
	return chunk, err
}

var errShort = errors.New("the host gave another part than was asked for")
