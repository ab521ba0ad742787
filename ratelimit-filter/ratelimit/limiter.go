package ratelimit

import (
	"encoding/binary"
	"errors"

	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Limiter decides for one worker. It is not safe for concurrent use.
type Limiter struct {
	config  *Config
	limits  []limit
	counter counter
	claims  claimset.Reader

	expressions Expressions

	// Of the request at hand, here so that they are not allocated for each.
	subject subject
	name    bucketName
	values  [maxKeyParts]keyValue
	result  Result
	shown   []byte
}

// limit is a limit with what is said of it, which need not be put together for each request.
type limit struct {
	*LimitConfig
	prefix    []byte // of its buckets' names
	usedUp    string // reasons
	missing   string
	detail    string
	overrides []string // reasons, too
	near      string   // the metric
	quoted    []byte   // its name as a structured field's string
}

type keyValue struct {
	text   string
	single bool
}

// Compile makes a limiter. plugin is the name under which the workers, and one configuration and the next, find the same
// buckets; random fills bytes that nobody can guess. The error is config.Mistakes if x does not accept an expression.
func Compile(c *Config, s Store, x Expressions, random func([]byte) error, plugin string) (*Limiter, error) {
	if err := c.compileExpressions(x); err != nil {
		return nil, err
	}
	t, err := openTable(s, random, plugin, c.MaxKeys)
	if err != nil {
		return nil, errors.New("the shared data could not be prepared: " + err.Error())
	}
	l := &Limiter{config: c, claims: claimset.NewReader(c.Claims), counter: counter{table: t, charges: make([]charge, len(c.Limits))}}
	l.expressions = x
	for i := range c.Limits {
		l.limits = append(l.limits, newLimit(&c.Limits[i]))
	}
	return l, nil
}

func newLimit(c *LimitConfig) limit {
	m := limit{
		LimitConfig: c,
		usedUp:      usedUp(&c.Rate),
		missing:     "the request lacks a part of the key, and the limit denies such",
		detail:      "the limit \"" + c.Name + "\" is used up",
		near:        "palisade.ratelimit_near_limit.policy." + host.Label(c.Name),
		quoted:      appendQuoted(nil, c.Name),
	}
	// Buckets in dry-run are not those that count.
	mode := byte('e')
	if c.DryRun {
		mode = 'd'
	}
	m.prefix = append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(c.Name))), c.Name...), mode)
	for i := range c.Overrides {
		m.overrides = append(m.overrides, usedUp(&c.Overrides[i].Rate))
	}
	return m
}

func usedUp(r *Rate) string { return "the rate of " + r.String() + " is used up" }

// Result is a decision with what else is said of it. It is to be read until the next one.
type Result struct {
	decision.Decision
	Detail           string // for the client
	Path             string // normal form
	Principal        string // this and the next two as far as they were asked for
	RequestPrincipal string
	RemoteIP         string
	Retry            int64 // of a 429: seconds after which it would be admitted
	Headers          []byte
	// Shadows are the limits in dry-run that would have refused the request.
	Shadows []decision.Decision
	// Near are the metrics of limits of which the request leaves less than a fifth.
	Near   []string
	Events Events
}

// Decide judges a request, and charges it to its limits if it is admitted.
func (l *Limiter) Decide(r *request.Request, store Store) *Result {
	res := &l.result
	*res = Result{Shadows: res.Shadows[:0], Near: res.Near[:0]}
	s := &l.subject
	*s = subject{limiter: l, request: r}
	l.counter.begin(store)
	res.Decision = l.decide(s)
	res.Events = l.counter.events
	if res.Effect == decision.Deny {
		_, _ = s.principal() // for the record, whatever comes of it
		_, _ = s.claims(), s.remote()
	}
	res.Principal, res.RequestPrincipal, res.RemoteIP = s.workload.Name(), s.claimSets.Principal(), s.remoteIP.Text
	res.Path = s.path
	return res
}

func (l *Limiter) decide(s *subject) decision.Decision {
	var err error
	if s.path, err = match.NormalPath(s.request.RawPath(), l.config.Normalization); err == nil {
		s.other, err = match.OtherPath(s.request.RawPath(), l.config.Normalization)
	}
	if err != nil {
		l.result.Detail = "the request is malformed"
		return denied(400, "", err.Error())
	}
	for i := range l.limits {
		m := &l.limits[i]
		if !s.matches(m.LimitConfig) {
			continue
		}
		if d := l.ask(s, i); d.Effect == decision.Deny {
			if !m.DryRun {
				return d
			}
			l.result.Shadows = append(l.result.Shadows, d)
		}
	}
	return l.take()
}

// ask finds the bucket of a limit that is for the request. A denial is one that needs no counting.
func (l *Limiter) ask(s *subject, i int) decision.Decision {
	m, b := &l.limits[i], &l.name
	b.text = append(b.text[:0], m.prefix...)
	missing := false
	for j := range m.Key {
		lacks, err := s.part(&m.Key[j], b)
		if err != nil {
			l.result.Detail = "the request could not be checked"
			return denied(503, m.Name, "the key could not be found out: "+err.Error())
		}
		l.values[j] = keyValue{b.value, b.values == 1}
		missing = missing || lacks
	}
	rate := &m.Rate
	switch {
	case missing && m.Missing == MissingSkip:
		return decision.Decision{}
	case missing && m.Missing == MissingDeny:
		l.result.Detail = "access is denied"
		return denied(403, m.Name, m.missing)
	case missing:
		b.text = append(b.text[:0], m.prefix...) // without a part: nobody else's name
	default:
		if o := l.override(m); o != nil {
			if o.Unlimited {
				return decision.Decision{}
			}
			rate = &o.Rate
		}
	}
	l.counter.add(l.counter.table.fingerprint(b.text), rate, s.cost(&m.Cost, rate.Burst), m.DryRun, i)
	return decision.Decision{}
}

// override is the first that the request's key matches. A part with several values, as of a repeated header, matches
// none: otherwise a client could add a value to be taken for somebody else.
func (l *Limiter) override(m *limit) *Override {
	for i := range m.Overrides {
		o := &m.Overrides[i]
		matches := true
		for j := range o.Key {
			if v := &l.values[j]; !v.single || !o.Key[j].Match(v.text) {
				matches = false
				break
			}
		}
		if matches {
			return o
		}
	}
	return nil
}

// take charges the buckets.
func (l *Limiter) take() decision.Decision {
	c, res := &l.counter, &l.result
	refused, err := c.take()
	for i := range c.n {
		k := &c.charges[i]
		if m := &l.limits[k.tag]; k.dryRun && k.verdict == over {
			res.Shadows = append(res.Shadows, denied(429, m.Name, m.reason(k.rate)))
		} else if k.verdict == charged && k.level.near {
			res.Near = append(res.Near, m.near)
		}
	}
	if refused != nil {
		m := &l.limits[refused.tag]
		if err != nil {
			res.Detail = "the request could not be checked"
			return denied(503, m.Name, "the request could not be counted: "+err.Error())
		}
		res.Retry, res.Detail = refused.retry, m.detail
		res.Headers = l.show(refused)
		return denied(429, m.Name, m.reason(refused.rate))
	}
	d := decision.Decision{Effect: decision.Allow, Status: 200, Reason: "no limit is for the request"}
	if k := c.nearest(); k != nil {
		d.Policy, d.Reason = l.limits[k.tag].Name, "the request is within its limits"
		res.Headers = l.show(nil)
	}
	return d
}

func (m *limit) reason(r *Rate) string {
	for i := range m.Overrides {
		if r == &m.Overrides[i].Rate {
			return m.overrides[i]
		}
	}
	return m.usedUp
}

// nearest is the charge of whose bucket least is left, nil if none is enforced.
func (c *counter) nearest() *charge {
	var nearest *charge
	for i := range c.n {
		if k := &c.charges[i]; !k.dryRun && (nearest == nil || k.level.Remaining < nearest.level.Remaining) {
			nearest = k
		}
	}
	return nearest
}

func denied(status uint32, limit, reason string) decision.Decision {
	return decision.Decision{Effect: decision.Deny, Status: status, Policy: limit, Reason: reason}
}
