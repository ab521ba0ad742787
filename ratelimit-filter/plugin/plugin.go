// Package plugin is ratelimit-filter's shell: it moves a request from the host to the Limiter and the decision back. It
// decides nothing.
package plugin

import (
	"errors"
	"strconv"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
)

// Filter is ratelimit-filter.
var Filter = host.Filter{Name: "ratelimit-filter", Configure: host.Configured(ratelimit.Decode, New)}

// property is where the record is.
const property = "palisade.ratelimit"

var pluginName = []string{"plugin_name"}

// New starts the filter with a configuration, which it takes over.
func New(h host.Host, c *ratelimit.Config) (host.Handler, error) {
	name, _, err := h.Property(pluginName)
	if err != nil {
		return nil, errors.New("the host did not say the plugin's name: " + err.Error())
	}
	p := &plugin{expressions: expressions{h}, service: service{config: c.Global}, reporter: report.Reporter{
		Filter: "ratelimit", Property: property, Mode: c.Mode, Audit: c.Audit, Response: c.Response,
	}}
	if p.limiter, err = ratelimit.Compile(c, h, &p.expressions, h.Random, string(name)); err != nil {
		return nil, err
	}
	for i := range c.Concurrency {
		p.inFlightNames = append(p.inFlightNames, "palisade.ratelimit_in_flight.policy."+host.Label(c.Concurrency[i].Name))
	}
	p.inFlight = make([]host.Metric, len(c.Concurrency))
	p.firstConcurrency = len(c.Limits)
	if len(c.Concurrency) > 0 {
		if err := h.SetTick(ratelimit.CallPeriod); err != nil {
			return nil, errors.New("the host does not tick, without which nobody knows which workers are alive: " + err.Error())
		}
	}
	return p, nil
}

type plugin struct {
	limiter  *ratelimit.Limiter
	reporter report.Reporter
	service  service
	flights  flights

	entries          host.Metric
	inFlight         []host.Metric // by concurrency limit
	inFlightNames    []string
	firstConcurrency int // its index among all limits

	// Of the request at hand, here so that they are not allocated for each.
	expressions expressions
	request     request.Request
	record      decision.Record
}

// expressions is the proxy's CEL engine.
type expressions struct {
	host host.Host // of the call that is under way
}

func (x *expressions) Compile(text string) (uint32, error) {
	e, err := host.CompileTextExpression(x.host, text)
	return uint32(e), err
}

func (x *expressions) Evaluate(id uint32) (string, error) {
	return host.EvaluateText(x.host, host.Expression(id))
}

// RequestHeaders implements host.Handler.
func (p *plugin) RequestHeaders(h host.Host) host.Action {
	p.expressions.host = h
	r, err := request.Of(h, &p.request)
	if err != nil {
		return p.reporter.Undecidable(h, err, true)
	}
	res := p.limiter.Decide(r, h, nil)
	if res.Question == nil {
		return p.conclude(h, r, res)
	}
	c := call{stream: h.Stream(), question: res.QuestionID, descriptors: res.Descriptors}
	if p.service.allows(h) && p.service.ask(h, res.Question, c) == nil {
		return host.Stop
	}
	return p.conclude(h, r, p.limiter.Decide(r, h, p.service.unanswered()))
}

// HTTPResponse implements host.Background: the request that has asked goes on, if its client is still there.
func (p *plugin) HTTPResponse(h host.Host, id host.CallID, bodySize uint32) {
	c, answer, found := p.service.answered(h, id, bodySize)
	if !found || c.stream == 0 || !h.Enter(c.stream) {
		return
	}
	p.expressions.host = h
	r, err := request.Of(h, &p.request)
	var action host.Action
	if err != nil {
		action = p.reporter.Undecidable(h, err, true)
	} else {
		action = p.conclude(h, r, p.limiter.Decide(r, h, answer))
	}
	if action == host.Continue {
		p.reporter.Resume(h, r.IsGRPC())
	}
}

// conclude makes a decision known, and does what it says.
func (p *plugin) conclude(h host.Host, r *request.Request, res *ratelimit.Result) host.Action {
	record := &p.record
	*record = decision.Record{
		Decision: res.Decision, Principal: res.Principal, RequestPrincipal: res.RequestPrincipal, RemoteIP: res.RemoteIP,
		Method: r.Method(), Host: r.Host(), Path: res.Path, RequestID: r.ID(),
	}
	p.keep(h, res)
	p.note(h, record, res)
	p.reporter.Decision(h, record)
	switch {
	case res.Effect == decision.Allow, p.reporter.Mode == decision.DryRun:
		return host.Continue
	case res.Status == 503:
		p.reporter.Error(h, "undecided")
	}
	return p.reporter.Refuse(h, res.Decision, res.Detail, r.IsGRPC(), replyHeaders(res)...)
}

// keep keeps what is to be done for a request when its response comes, or when it is over. In dry-run a client is told
// nothing.
func (p *plugin) keep(h host.Host, res *ratelimit.Result) {
	shown := res.Effect == decision.Allow && p.reporter.Mode == decision.Enforce && len(res.Headers) > 0
	if !shown && len(res.Owed) == 0 && len(res.Tickets) == 0 {
		return
	}
	l := p.flights.add(h.Stream())
	if shown {
		l.headers = append(l.headers, res.Headers...)
	}
	l.owed = append(l.owed, res.Owed...)
	l.tickets = append(l.tickets, res.Tickets...)
	p.countInFlight(h, l.tickets, 1)
}

func (p *plugin) countInFlight(h host.Host, tickets []ratelimit.Ticket, delta int64) {
	for i := range tickets {
		limit := tickets[i].Limit() - p.firstConcurrency
		p.inFlight[limit].Add(h, host.Gauge, p.inFlightNames[limit], delta)
	}
}

// ResponseHeaders implements host.Follower.
func (p *plugin) ResponseHeaders(h host.Host) host.Action {
	l := p.flights.find(h.Stream())
	if l == nil {
		return host.Continue
	}
	if len(l.owed) > 0 {
		p.charge(h, l.owed)
		l.owed = l.owed[:0]
	}
	show(h, l.headers)
	l.headers = l.headers[:0]
	if len(l.tickets) == 0 {
		p.flights.remove(h.Stream())
	}
	return host.Continue
}

// charge charges buckets for what the response says.
func (p *plugin) charge(h host.Host, owed []ratelimit.Owed) {
	headers, err := h.ResponseHeaders()
	question, descriptors, chargeErr := p.limiter.Charge(h, owed, headers, err == nil)
	lost := question != nil && (!p.service.allows(h) || p.service.ask(h, question, call{descriptors: descriptors}) != nil)
	if err != nil || chargeErr != nil || lost {
		p.reporter.Error(h, "response_cost")
	}
}

// StreamEnd implements host.Follower.
func (p *plugin) StreamEnd(h host.Host) {
	l := p.flights.find(h.Stream())
	if l == nil {
		return
	}
	if len(l.tickets) > 0 {
		p.limiter.Release(h, l.tickets)
		p.countInFlight(h, l.tickets, -1)
	}
	p.flights.remove(h.Stream())
}

// Tick implements host.Background.
func (p *plugin) Tick(h host.Host) { p.limiter.Tick(h) }

// note reports what limits in dry-run would have done, and what happened to buckets.
func (p *plugin) note(h host.Host, record *decision.Record, res *ratelimit.Result) {
	for _, d := range res.Shadows {
		shadow := *record
		shadow.Decision = d
		p.reporter.Note(h, &shadow, decision.DryRun)
	}
	for _, metric := range res.Near {
		p.reporter.Count(h, metric)
	}
	e := &res.Events
	for range e.Evictions {
		p.reporter.Count(h, "palisade.ratelimit_evictions")
	}
	for range e.LostSwaps {
		p.reporter.Count(h, "palisade.ratelimit_lost_swaps")
	}
	for range e.Stranded {
		p.reporter.Error(h, "stranded_charge")
	}
	for range e.Unconfigured {
		p.reporter.Error(h, "unconfigured_limit")
	}
	p.entries.Add(h, host.Gauge, "palisade.ratelimit_keys", int64(e.Entries))
}

func replyHeaders(res *ratelimit.Result) [][2]string {
	if res.Status != 429 {
		return nil
	}
	list := [][2]string{{"retry-after", strconv.FormatInt(res.Retry, 10)}}
	for rest := res.Headers; ; {
		name, value, next, ok := ratelimit.NextHeader(rest)
		if !ok {
			return list
		}
		list = append(list, [2]string{string(name), string(value)})
		rest = next
	}
}

// show tells the client where it stands.
func show(h host.Host, headers []byte) {
	for {
		name, value, rest, ok := ratelimit.NextHeader(headers)
		if !ok || h.AddResponseHeader(text(name), text(value)) != nil {
			return
		}
		headers = rest
	}
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
