package ratelimit

import (
	"encoding/binary"
	"time"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// Windows are the periods in which the rate limit service counts (RateLimitResponse.RateLimit.Unit), but for months and
// years, which are not of one length.
var Windows = map[time.Duration]string{
	time.Second: "second", time.Minute: "minute", time.Hour: "hour", 24 * time.Hour: "day", 7 * 24 * time.Hour: "week",
}

func isWindow(per time.Duration) bool { return Windows[per] != "" }

// put asks the service about a charge, instead of the worker's memory.
func (l *Limiter) put(m *limit, k *charge, o *Override) {
	k.global = true
	if o != nil {
		for i := range o.Patterns {
			l.question.Value(o.Patterns[i])
		}
		l.question.EndEntry(rls.OverrideKey)
	}
	if m.rate.Response.Header != "" {
		k.entries = append(k.entries[:0], l.question.Entries()...)
	}
	l.question.End(uint64(k.cost))
}

// global decides what can be decided by the service's answer, and finds the question if there is none yet.
func (l *Limiter) global(answer *Answer) (d decision.Decision, decided bool) {
	c := &l.counter
	id := l.counter.table.fingerprint(l.question.Frame())
	question := binary.LittleEndian.Uint64(id[:])
	failed := answer != nil && (answer.Failed || answer.QuestionID != question || len(answer.Statuses) != l.question.Len())
	if answer == nil || failed {
		if k := c.remembered(); k != nil {
			return l.refuse(k, nil), true
		}
	}
	if answer == nil {
		// What is refused here costs no call.
		if refused, err := c.lookAtAll(c.store.Monotonic()); refused != nil {
			return l.refuse(refused, err), true
		}
		if d := l.lookForPlaces(); d.Effect == decision.Deny {
			return d, true
		}
		l.result.Question, l.result.QuestionID, l.result.Descriptors = l.question.Frame(), question, l.question.Len()
		return decision.Decision{}, true
	}
	return l.settle(answer, failed)
}

// settle gives each charge the service's verdict. A limit that the service does not have is one that it cannot count.
func (l *Limiter) settle(answer *Answer, failed bool) (d decision.Decision, decided bool) {
	c, next := &l.counter, 0
	for i := range c.n {
		k := &c.charges[i]
		if !k.global {
			continue
		}
		var status rls.Status
		if !failed {
			status = answer.Statuses[next]
			next++
		}
		switch {
		case status.Over: // also if it does not say of what limit
			k.verdict, k.retry = over, status.Reset
			k.level = Level{Full: status.Reset}
			// What costs less may still be admitted, and of a dry run nobody wants to be reminded.
			if m := &l.limits[k.tag]; !k.dryRun && (m.rate.Cost.Header == "" || k.cost <= 1) {
				c.remember(k, answer, status.Reset)
			}
		case !status.Known:
			if !failed {
				c.events.Unconfigured++
			}
			if d, decided := l.unanswered(k); decided {
				return d, true
			}
		default:
			k.verdict = charged
			k.level = Level{Remaining: status.Remaining, Full: status.Reset, near: status.Remaining <= k.rate.Requests/5}
		}
	}
	return decision.Decision{}, false
}

// unanswered is what becomes of a charge that the service did not count.
func (l *Limiter) unanswered(k *charge) (d decision.Decision, decided bool) {
	m := &l.limits[k.tag]
	switch l.config.Global.OnError {
	case ErrorInstance:
		k.global = false
		k.cost = min(k.cost, k.rate.ceiling(false)) // the service has admitted as much as requests, this proxy no more than the burst
	case ErrorAllow:
		k.verdict = uncounted
	default:
		k.verdict = uncounted
		d := denied(503, m.Name, "the rate limit service did not count the request")
		if !m.DryRun {
			l.result.Detail = "the request could not be checked"
			return d, true
		}
		l.result.Shadows = append(l.result.Shadows, d)
	}
	return decision.Decision{}, false
}

// lookForPlaces tells whether there are places for the request among those in flight.
func (l *Limiter) lookForPlaces() decision.Decision {
	for i := range l.places {
		p := &l.places[i]
		m := &l.limits[p.limit]
		if m.DryRun {
			continue
		}
		if free, err := l.inFlight.look(&p.key, p.highest); err == nil && !free {
			l.result.Detail, l.result.Retry = m.detail, retryInFlight
			return denied(429, m.Name, p.reason)
		}
	}
	return decision.Decision{}
}

// remember keeps all workers from asking about a bucket before the service's window ends: it is as if it were
// empty until then. If it cannot be kept, the service is asked once more.
func (c *counter) remember(k *charge, a *Answer, reset int64) {
	told := a.Told.UnixNano()
	rest := rls.OverUntil(a.Sent.UnixNano(), told, reset*int64(time.Second), int64(k.rate.Per)) - told
	if rest <= 0 {
		return
	}
	m := &c.late
	m.bucket = k.bucket.over()
	if c.table.read(c.store, &m.bucket, &m.slot) != nil {
		return
	}
	now := c.store.Monotonic()
	if until := now + rest; m.slot.full(&m.bucket) < until {
		_ = c.put(m, until, now)
	}
}

// remembered finds an enforced charge of which the service has said that it is over its limit.
func (c *counter) remembered() *charge {
	for i := range c.n {
		k := &c.charges[i]
		if !k.global || k.dryRun {
			continue
		}
		b := k.bucket.over()
		if c.table.read(c.store, &b, &k.slot) != nil {
			continue // then it is asked
		}
		if wait := k.slot.full(&b) - c.store.Monotonic(); wait > 0 {
			k.verdict, k.retry = over, max(seconds(wait), 1)
			k.level = Level{Full: k.retry}
			return k
		}
	}
	return nil
}

// over is the fingerprint under which it is remembered that a bucket is over its limit, in the same slot.
func (f fingerprint) over() fingerprint {
	f[len(f)-1] ^= 1
	return f
}
