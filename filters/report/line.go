package report

import (
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/ascii"
	"github.com/palisade-mesh/palisade/filters/decision"
)

// parts are the texts that a piece of a record's line is made of.
type parts [4]string

// memo remembers a piece of a record's line for the next one that is made of the same.
type memo struct {
	of   parts // in own
	own  []byte
	line []byte
}

func (m *memo) is(of *parts) bool {
	if m.line == nil {
		return false
	}
	for i := range of {
		if !ascii.Equal(m.of[i], of[i]) {
			return false
		}
	}
	return true
}

// keep keeps what a line is made of: the texts are the request's, and overwritten by the next.
func (m *memo) keep(of *parts) {
	size := 0
	for i := range of {
		size += len(of[i])
	}
	if cap(m.own) < size {
		m.own = make([]byte, 0, size+size/2)
	}
	b := m.own[:0]
	for i := range of {
		start := len(b)
		b = append(b, of[i]...)
		m.of[i] = unsafe.String(unsafe.SliceData(b[start:]), len(of[i]))
	}
	m.own = b
}

// allowed remembers the part of a record's line that tells the decision: of a policy that allows. It says nearly
// always the same, unlike denials, which tell why.
type allowed struct {
	memo   memo
	status uint32
}

const (
	// maxAllowed is of how many policies this is remembered, and maxAllowedText how long the texts may be: 1 MB in all.
	maxAllowed     = 1024
	maxAllowedText = 256
)

// remembers tells whether a record is of those.
func (a *allowed) remembers(r *decision.Record) bool {
	return a != nil && r.Effect == decision.Allow && len(r.Rule)+len(r.Reason) <= maxAllowedText
}

// append appends that part. What a record is not compared by is the same for a policy's: the filter, its mode, the effect.
func (a *allowed) append(b []byte, r *decision.Record) []byte {
	of := parts{r.Rule, r.Reason}
	if a.status != r.Status || !a.memo.is(&of) {
		a.memo.line, a.status = r.AppendDecision(a.memo.line[:0]), r.Status
		a.memo.keep(&of)
	}
	return append(b, a.memo.line...)
}

// Operation remembers what the record of a request says of its operation, for the records of filters that it passes one
// after the other. Whoever has one forgets it with the request.
type Operation struct {
	of   parts // the request's own
	line []byte
}

// Forget is for the next request, whose texts may be where those of this one were.
func (o *Operation) Forget() { o.line = o.line[:0] }

// SharedOperation is a host of several such filters.
type SharedOperation interface{ Operation() *Operation }

func (o *Operation) append(b []byte, r *decision.Record) []byte {
	of := parts{r.Method, r.Host, r.Path, r.RequestID}
	if len(o.line) == 0 || !same(&o.of, &of) {
		o.line, o.of = r.AppendOperation(o.line[:0]), of
	}
	return append(b, o.line...)
}

// same tells whether all texts are the very same, in the same memory.
func same(a, b *parts) bool {
	for i := range a {
		if len(a[i]) != len(b[i]) || unsafe.StringData(a[i]) != unsafe.StringData(b[i]) {
			return false
		}
	}
	return true
}
