package ratelimit

// Owed is a bucket that is to be charged for what the response says. It may be kept.
type Owed struct {
	bucket  fingerprint
	rate    *Rate
	limit   int
	entries string // of the rate limit service's descriptor, if it counts
}

// owed are the charges to which the response adds.
func (l *Limiter) owed() {
	for i := range l.counter.n {
		k := &l.counter.charges[i]
		m := &l.limits[k.tag]
		if m.rate.Response.Header == "" || k.verdict != charged {
			continue
		}
		o := Owed{bucket: k.bucket, rate: k.rate, limit: k.tag}
		if k.global {
			o.entries = string(k.entries)
		}
		l.result.Owed = append(l.result.Owed, o)
	}
}

// Charge charges buckets for a response. question is for the rate limit service, about so many descriptors; nil if there is
// none. Nobody waits for its answer. If the headers cannot be read, the response costs the most.
func (l *Limiter) Charge(s Store, owed []Owed, headers [][2]string, readable bool) (question []byte, descriptors int, err error) {
	l.counter.begin(s)
	if l.config.Global != nil {
		l.question.Reset(l.config.Global.Domain)
	}
	for i := range owed {
		o := &owed[i]
		c := &l.limits[o.limit].rate.Response
		cost := c.Max
		if readable {
			cost = headerCost(headers, c.Header, 0, c.Max) // nothing without the header
		}
		switch {
		case cost == 0:
		case o.entries != "":
			l.question.Add(o.entries, uint64(cost))
		default:
			if e := l.counter.owe(&o.bucket, o.rate, cost); e != nil {
				err = e
			}
		}
	}
	if l.question.Len() > 0 {
		question = l.question.Frame()
	}
	return question, l.question.Len(), err
}
