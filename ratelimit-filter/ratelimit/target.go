package ratelimit

import (
	"encoding/binary"

	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

// keyOf puts the name of the limit's bucket for the request together in l.name, and begins the rate limit service's
// descriptor for it, if it counts.
func (l *Limiter) keyOf(s *subject, m *limit) (missing bool, err error) {
	b := &l.name
	l.beginKey(m)
	for j := range m.Key {
		lacks, err := s.part(&m.Key[j], b)
		if err != nil {
			return false, err
		}
		b.end()
		if b.question != nil {
			b.question.EndEntry(m.Key[j].text)
		}
		l.values[j] = keyValue{b.value, b.values == 1}
		missing = missing || lacks
	}
	if missing {
		l.beginKey(m) // without a part: nobody else's name
		if b.question != nil {
			b.question.Entry(rls.MissingKey, rls.MissingValue)
		}
	}
	return missing, nil
}

func (l *Limiter) beginKey(m *limit) {
	b := &l.name
	b.text, b.question = append(b.text[:0], m.prefix...), nil
	if m.rate == nil || !m.rate.Global {
		return
	}
	b.question = &l.question
	if m.DryRun {
		b.question.Begin(rls.DryRunKey, m.Name)
	} else {
		b.question.Begin(rls.LimitKey, m.Name)
	}
}

// override is the first that the request's key matches. A part with several values, as of a repeated header, matches
// none: otherwise a client could add a value to be taken for somebody else.
func (l *Limiter) override(t *Target) *Override {
	for i := range t.Overrides {
		o := &t.Overrides[i]
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

// bucketName puts the name of a bucket together: texts with their lengths, so that no two lists of values are one name. It
// is a claimset.Sink.
type bucketName struct {
	text     []byte
	values   int          // of the part at hand
	value    string       // the last of them
	question *rls.Request // that the values are for, too; nil if they are not
}

// Add implements claimset.Sink.
func (b *bucketName) Add(value string) {
	b.text = binary.LittleEndian.AppendUint32(b.text, uint32(len(value)))
	b.text = append(b.text, value...)
	b.values++
	b.value = value
	if b.question != nil {
		b.question.Value(value)
	}
}

// endOfPart is no length.
const endOfPart = ^uint32(0)

func (b *bucketName) end() { b.text = binary.LittleEndian.AppendUint32(b.text, endOfPart) }
