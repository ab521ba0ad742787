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
var Filter = host.Filter{Name: "ratelimit-filter", Configure: configure, Response: response}

// property is where the record is, headersProperty where the response's headers wait for it.
const (
	property        = "palisade.ratelimit"
	headersProperty = "palisade.ratelimit.headers"
)

var (
	headersPath = []string{headersProperty}
	pluginName  = []string{"plugin_name"}
)

func configure(h host.Host) (host.Handler, error) {
	raw, err := h.Configuration()
	if err != nil {
		return nil, errors.New("config: the host did not give it: " + err.Error())
	}
	c, err := ratelimit.Decode(raw)
	if err != nil {
		return nil, err
	}
	name, _, err := h.Property(pluginName)
	if err != nil {
		return nil, errors.New("the host did not say the plugin's name: " + err.Error())
	}
	p := &plugin{expressions: expressions{h}, reporter: report.Reporter{
		Filter: "ratelimit", Property: property, Mode: c.Mode, Audit: c.Audit, Response: c.Response,
	}}
	if p.limiter, err = ratelimit.Compile(c, h, &p.expressions, h.Random, string(name)); err != nil {
		return nil, err
	}
	return p, nil
}

type plugin struct {
	limiter  *ratelimit.Limiter
	reporter report.Reporter
	entries  host.Metric

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
	r := &p.request
	if err := r.Load(h); err != nil {
		return p.reporter.Undecidable(h, err, true)
	}
	res := p.limiter.Decide(r, h)
	record := &p.record
	*record = decision.Record{
		Decision: res.Decision, Principal: res.Principal, RequestPrincipal: res.RequestPrincipal, RemoteIP: res.RemoteIP,
		Method: r.Method(), Host: r.Host(), Path: res.Path, RequestID: r.ID(),
	}
	p.note(h, *record, res)
	p.reporter.Decision(h, record)
	switch {
	case p.reporter.Mode == decision.DryRun:
		return host.Continue
	case res.Effect == decision.Allow:
		if len(res.Headers) > 0 && h.SetProperty(headersProperty, res.Headers) != nil {
			p.reporter.Error(h, "headers")
		}
		return host.Continue
	case res.Status == 503:
		p.reporter.Error(h, "undecided")
	}
	return p.reporter.Refuse(h, res.Decision, res.Detail, r.IsGRPC(), replyHeaders(res)...)
}

// note reports what limits in dry-run would have done, and what happened to buckets.
func (p *plugin) note(h host.Host, record decision.Record, res *ratelimit.Result) {
	for _, d := range res.Shadows {
		record.Decision = d
		p.reporter.Note(h, &record, decision.DryRun)
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

// response tells the client where it stands.
func response(h host.Host) {
	shown, found, err := h.Property(headersPath)
	if err != nil || !found {
		return
	}
	for {
		name, value, rest, ok := ratelimit.NextHeader(shown)
		if !ok || h.AddResponseHeader(text(name), text(value)) != nil {
			return
		}
		shown = rest
	}
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
