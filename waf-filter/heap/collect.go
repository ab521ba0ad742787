//go:build gc.custom

package heap

import (
	"math/bits"
	"unsafe"
)

// alive is how many bytes of objects the last collection found.
var alive uintptr

// object is a span's, by its index.
type object struct {
	span  *span
	index uintptr
}

// marking has the objects that are marked and have not been looked into.
var marking markStack

// markStack is outside of the heap.
type markStack struct {
	base         uintptr
	depth, limit uintptr
}

func (m *markStack) at(i uintptr) *object {
	return (*object)(unsafe.Pointer(m.base + i*unsafe.Sizeof(object{})))
}

func (m *markStack) push(s *span, index uintptr) {
	if m.depth == m.limit {
		m.grow(2 * m.limit)
	}
	*m.at(m.depth) = object{s, index}
	m.depth++
}

// grow takes other memory, and leaves what it had: in all less than it has then.
//
//go:noinline
func (m *markStack) grow(limit uintptr) {
	base := fromHost(limit * unsafe.Sizeof(object{}))
	size := m.depth * unsafe.Sizeof(object{})
	copy(unsafe.Slice((*byte)(unsafe.Pointer(base)), size), unsafe.Slice((*byte)(unsafe.Pointer(m.base)), size))
	m.base, m.limit = base, limit
}

//go:linkname markReachable runtime.gcMarkReachable
func markReachable()

// collect frees what nobody can reach.
func collect() {
	for i := range cursors {
		cursors[i].giveBack()
	}
	each(unmark)
	markReachable() // which calls markRoots
	alive = 0
	each(sweep)
	limit = used + max(minBudget, used/2)
}

func unmark(s *span) { s.marks = [rows]uint64{} }

func sweep(s *span) {
	n := uintptr(0)
	for _, m := range s.marks {
		n += uintptr(bits.OnesCount64(m))
	}
	alive += n * s.size
	switch {
	case n == 0:
		s.release()
	case !s.large && n < uintptr(s.count):
		c := &cursors[s.kind]
		s.next, c.more = c.more, s
	}
}

// markAll marks all that can be reached from what is marked.
func markAll() {
	for marking.depth > 0 {
		marking.depth--
		o := *marking.at(marking.depth)
		s, i := o.span, o.index
		start := s.start + i*s.size
		scan(start, start+s.size, *(*uintptr)(unsafe.Pointer(s.layouts + i*word)))
	}
}

// mark marks the object that an address between low and high is in, if it is in one.
func mark(address uintptr) {
	s := spanOf(address / pageSize)
	if s == nil {
		return
	}
	i := uintptr(0)
	if !s.large {
		i = uintptr(uint64(address-s.start) * uint64(s.inverse) >> 32)
		if i >= uintptr(s.count) {
			return // among the layouts
		}
	}
	m, bit := &s.marks[i/64&(rows-1)], uint64(1)<<(i%64)
	if *m&bit != 0 {
		return
	}
	*m |= bit
	if s.layouts != 0 {
		marking.push(s, i)
	}
}
