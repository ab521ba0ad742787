package ratelimit

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/request"
	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// Limiter decides for one worker. It is not safe for concurrent use.
type Limiter struct {
	config      *Config
	limits      []limit // of rates, then of concurrency
	claims      *claimset.Reader
	expressions Expressions

	counter  counter
	inFlight inFlight

	// Of the request at hand, here so that they are not allocated for each.
	subject  subject
	name     bucketName
	question rls.Request
	values   [maxKeyParts]keyValue
	places   []place
	result   Result
	shown    []byte
}

// limit is a limit with what is said of it, which need not be put together for each request.
type limit struct {
	*Target
	rate        *LimitConfig       // nil: it is one of concurrency
	concurrency *ConcurrencyConfig // nil: it is one of a rate
	prefix      []byte             // of its buckets' names
	usedUp      string             // reasons
	missing     string
	detail      string
	overrides   []string // reasons, too
	near        string   // the metric
	quoted      []byte   // its name as a structured field's string
	policy      []byte   // what the response headers say of its rate, where there is no override
}

// place is one that a request needs among those in flight.
type place struct {
	key     fingerprint
	highest int64
	limit   int
	reason  string // if there is none
}

type keyValue struct {
	text   string
	single bool
}

// Compile makes a limiter. plugin is the name under which the workers, and one configuration and the next, find the same
// buckets; random fills bytes that nobody can guess. The error is config.Mistakes if x does not accept an expression.
func Compile(c *Config, s Store, x Expressions, random func([]byte) error, plugin string) (*Limiter, error) {
	l := &Limiter{config: c, claims: claimset.NewReader(c.Claims), expressions: x}
	l.limits = make([]limit, len(c.Limits)+len(c.Concurrency))
	for i := range c.Limits {
		l.limits[i].ofRate(&c.Limits[i])
	}
	for i := range c.Concurrency {
		l.limits[len(c.Limits)+i].ofConcurrency(&c.Concurrency[i])
	}
	if err := l.compileExpressions(); err != nil {
		return nil, err
	}
	t, err := openTable(s, random, plugin, c.MaxKeys)
	if err != nil {
		return nil, errors.New("the shared data could not be prepared: " + err.Error())
	}
	l.counter = counter{table: t, charges: make([]charge, len(c.Limits))}
	l.inFlight = openInFlight(&t, random, plugin, len(c.Concurrency))
	l.places = make([]place, 0, len(c.Concurrency))
	return l, nil
}

func (m *limit) ofRate(c *LimitConfig) {
	m.of(&c.Target)
	m.rate = c
	m.policy = m.appendPolicyOf(nil, &c.Rate)
	m.usedUp = usedUp(&c.Rate)
	for i := range c.Overrides {
		m.overrides = append(m.overrides, usedUp(&c.Overrides[i].Rate))
	}
}

func (m *limit) ofConcurrency(c *ConcurrencyConfig) {
	m.of(&c.Target)
	m.concurrency = c
	m.usedUp = taken(c.Max)
	for i := range c.Overrides {
		m.overrides = append(m.overrides, taken(c.Overrides[i].Max))
	}
}

func (m *limit) of(t *Target) {
	m.Target = t
	m.missing = "the request lacks a part of the key, and the limit denies such"
	m.detail = "the limit \"" + t.Name + "\" is used up"
	m.near = "palisade.ratelimit_near_limit.policy." + host.Label(t.Name)
	m.quoted = appendQuoted(nil, t.Name)
	// Buckets in dry-run are not those that count.
	mode := byte('e')
	if t.DryRun {
		mode = 'd'
	}
	m.prefix = append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(t.Name))), t.Name...), mode)
}

func usedUp(r *Rate) string { return "the rate of " + r.String() + " is used up" }

func taken(highest int64) string {
	return "all " + strconv.FormatInt(highest, 10) + " requests that may be in flight are"
}

// Result is a decision with what else is said of it. It is to be read until the next one.
type Result struct {
	decision.Decision        // if Question is nil
	Detail            string // for the client
	Path              string // normal form
	Principal         string // this and the next two as far as they were asked for
	RequestPrincipal  string
	RemoteIP          string
	Retry             int64 // of a 429: seconds after which it would be admitted
	Headers           []byte
	// Shadows are the limits in dry-run that would have refused the request.
	Shadows []decision.Decision
	// Near are the metrics of limits of which the request leaves less than a fifth.
	Near   []string
	Events Events

	// Question is for the rate limit service, without whose answer there is no decision; nil if there is one.
	Question    []byte
	QuestionID  uint64 // for its Answer
	Descriptors int    // that it has
	// Tickets are what the request holds, to be given back by Release when it is over.
	Tickets []Ticket
	// Owed are the buckets to be charged by Charge for the response.
	Owed []Owed
}

// Answer is what the rate limit service says about a request.
type Answer struct {
	QuestionID uint64
	Statuses   []rls.Status
	Sent, Told time.Time // when the question was sent, and this came
	Failed     bool      // there is none
}

// Decide judges a request, and charges it to its limits if it is admitted. If there is a limit that the rate limit service
// counts, the first time, without an answer, the Result may be a question; then Decide is to be called once
// more, with the answer. If it is known that there will be none, it is called with one that says so.
func (l *Limiter) Decide(r *request.Request, store Store, answer *Answer) *Result {
	res := &l.result
	*res = Result{Shadows: res.Shadows[:0], Near: res.Near[:0], Owed: res.Owed[:0]}
	s := &l.subject
	*s = subject{limiter: l, request: r}
	l.counter.begin(store)
	l.inFlight.begin(store)
	l.places = l.places[:0]
	res.Decision = l.decide(s, answer)
	res.Tickets = l.inFlight.tickets
	res.Events = l.counter.events
	res.Events.LostSwaps += l.inFlight.lost
	if res.Effect == decision.Deny {
		_, _ = s.principal() // for the record, whatever comes of it
		_, _ = s.claims(), s.remote()
	}
	res.Principal, res.RequestPrincipal, res.RemoteIP = s.workload.Name(), s.claimSets.Principal(), s.remoteIP.Text
	res.Path = s.path
	return res
}

func (l *Limiter) decide(s *subject, answer *Answer) decision.Decision {
	var err error
	if s.path, s.other, err = s.request.Paths(l.config.Normalization); err != nil {
		l.result.Detail = "the request is malformed"
		return denied(400, "", err.Error())
	}
	if l.config.Global != nil {
		l.question.Reset(l.config.Global.Domain)
	}
	for i := range l.limits {
		m := &l.limits[i]
		if !s.matches(m.Target) {
			continue
		}
		if d := l.ask(s, i); d.Effect == decision.Deny {
			if !m.DryRun {
				return d
			}
			l.result.Shadows = append(l.result.Shadows, d)
		}
	}
	if l.question.Len() > 0 {
		if d, decided := l.global(answer); decided {
			return d
		}
	}
	return l.take()
}

// ask finds out what a limit that is for the request would count. A denial is one that needs no counting.
func (l *Limiter) ask(s *subject, i int) decision.Decision {
	m := &l.limits[i]
	missing, err := l.keyOf(s, m)
	if err != nil {
		l.result.Detail = "the request could not be checked"
		return denied(503, m.Name, "the key could not be found out: "+err.Error())
	}
	var o *Override
	switch {
	case missing && m.Missing == MissingSkip:
		return decision.Decision{}
	case missing && m.Missing == MissingDeny:
		l.result.Detail = "access is denied"
		return denied(403, m.Name, m.missing)
	case !missing:
		if o = l.override(m.Target); o != nil && o.Unlimited {
			return decision.Decision{}
		}
	}
	if m.concurrency != nil {
		l.needPlace(m, i, l.counter.table.fingerprint(l.name.text), o)
		return decision.Decision{}
	}
	rate := &m.rate.Rate
	if o != nil {
		rate = &o.Rate
	}
	l.name.text = rate.appendTo(l.name.text)
	key := l.counter.table.fingerprint(l.name.text)
	k := l.counter.add(key, rate, s.cost(&m.rate.Cost, rate.ceiling(m.rate.Global)), m.DryRun, i)
	if m.rate.Global {
		l.put(m, k, o)
	}
	return decision.Decision{}
}

func (l *Limiter) needPlace(m *limit, i int, key fingerprint, o *Override) {
	p := place{key: key, highest: m.concurrency.Max, limit: i, reason: m.usedUp}
	if o != nil {
		p.highest, p.reason = o.Max, m.reason(&o.Rate)
	}
	l.places = append(l.places, p)
}

// take charges the buckets and takes the places in flight: all of them or none.
func (l *Limiter) take() decision.Decision {
	c, res := &l.counter, &l.result
	var refused *charge
	var err error
	if len(l.places) > 0 { // of which none is taken if a bucket refuses
		if refused, err = c.lookAtAll(c.store.Monotonic()); refused == nil {
			if d := l.takePlaces(); d.Effect == decision.Deny {
				return d
			}
		}
	}
	if refused == nil {
		refused, err = c.take()
	}
	for i := range c.n {
		k := &c.charges[i]
		m := &l.limits[k.tag]
		switch {
		case k.dryRun && k.verdict == over:
			res.Shadows = append(res.Shadows, denied(429, m.Name, m.reason(k.rate)))
		case k.verdict == charged && k.level.near:
			res.Near = append(res.Near, m.near)
		}
	}
	if refused != nil {
		l.inFlight.abandon()
		return l.refuse(refused, err)
	}
	l.owed()
	d := decision.Decision{Effect: decision.Allow, Status: 200, Reason: "no limit is for the request"}
	switch k := c.nearest(); {
	case k != nil:
		d.Policy, d.Reason = l.limits[k.tag].Name, "the request is within its limits"
		res.Headers = l.show(nil)
	case len(l.inFlight.tickets) > 0:
		d.Policy, d.Reason = l.limits[l.inFlight.tickets[0].limit].Name, "the request is within its limits"
	}
	return d
}

// takePlaces takes all places that the request needs among those in flight, or none.
func (l *Limiter) takePlaces() decision.Decision {
	f := &l.inFlight
	for i := range l.places {
		p := &l.places[i]
		m := &l.limits[p.limit]
		admitted, err := f.acquire(&p.key, p.highest, p.limit)
		if admitted {
			continue
		}
		d := denied(429, m.Name, p.reason)
		if err != nil {
			d = denied(503, m.Name, "the request could not be counted: "+err.Error())
		}
		if m.DryRun {
			l.result.Shadows = append(l.result.Shadows, d)
			continue
		}
		f.abandon()
		if l.result.Detail = m.detail; err != nil {
			l.result.Detail = "the request could not be checked"
		}
		l.result.Retry = retryInFlight
		return d
	}
	return decision.Decision{}
}

// retryInFlight is what a client is told to wait, in seconds, when too many requests are in flight. Nobody knows when one ends.
const retryInFlight = 1

// refuse is the decision of a bucket that refuses, or that could not be counted.
func (l *Limiter) refuse(k *charge, err error) decision.Decision {
	m, res := &l.limits[k.tag], &l.result
	if err != nil {
		res.Detail = "the request could not be checked"
		return denied(503, m.Name, "the request could not be counted: "+err.Error())
	}
	res.Retry, res.Detail = k.retry, m.detail
	res.Headers = l.show(k)
	return denied(429, m.Name, m.reason(k.rate))
}

// reason is what is said when a rate is used up, or what an override has instead, which is known by its rate.
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
		if k := &c.charges[i]; k.shown() && (nearest == nil || k.level.Remaining < nearest.level.Remaining) {
			nearest = k
		}
	}
	return nearest
}

// shown tells whether a client is to hear of a charge.
func (k *charge) shown() bool { return !k.dryRun && k.verdict != uncounted }

// Release gives back what a request held that is over.
func (l *Limiter) Release(s Store, tickets []Ticket) {
	l.inFlight.begin(s)
	l.inFlight.release(tickets)
}

// Tick is to be called every CallPeriod.
func (l *Limiter) Tick(s Store) {
	l.inFlight.begin(s)
	l.inFlight.tick()
}

func denied(status uint32, limit, reason string) decision.Decision {
	return decision.Decision{Effect: decision.Deny, Status: status, Policy: limit, Reason: reason}
}
