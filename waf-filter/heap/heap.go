//go:build gc.custom

package heap

/*
#include <stdlib.h>
*/
import "C"

import (
	"math/bits"
	"runtime"
	"runtime/volatile"
	"unsafe"
)

const (
	// maxSmall is the largest object that shares pages with others.
	maxSmall = 2048
	word     = unsafe.Sizeof(uintptr(0))
)

// sizes are the size classes, multiples of 8: above 96 bytes at most a quarter of an object is wasted, below it less than 16 bytes.
var sizes = [...]uint16{
	16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024, 1280, 1536, 2048,
}

// classes is the index in sizes for each number of 8 bytes.
var classes [maxSmall/8 + 1]uint8

// A cursor is where the next object of a kind comes from: the free ones of a row of 64. A kind is a class, twice: of
// objects that may have pointers, and, odd, of those that have none.
type cursor struct {
	free    uint64
	first   uintptr // address of the first of the row
	layouts uintptr // address of the first's layout; 0: no pointers
	size    uintptr
	row     uint32
	span    *span // that the row is in
	more    *span // spans in which there may be room
}

var cursors [2 * len(sizes)]cursor

// handed is what cursors were given, whether it is an object yet or not, and all large objects.
var handed struct{ objects, bytes uint64 }

// zeroSized is what has no size.
var zeroSized uint64

//go:linkname initHeap runtime.initHeap
func initHeap() {
	// At its first call wasi-libc's malloc takes for its own all memory that there is behind the globals.
	C.free(C.malloc(1))
	initClasses()
	initPages()
	initRoots()
}

func initClasses() {
	class := 0
	for i := range classes {
		if i*8 > int(sizes[class]) {
			class++
		}
		classes[i] = uint8(class)
	}
	for i := range cursors {
		cursors[i].size = uintptr(sizes[i/2])
	}
}

// alloc is zeroed memory for an object of a layout (see layout.go).
//
//go:linkname alloc runtime.alloc
func alloc(size uintptr, layout unsafe.Pointer) unsafe.Pointer {
	if size > maxSmall {
		return allocLarge(size, uintptr(layout))
	}
	if size == 0 {
		return unsafe.Pointer(&zeroSized)
	}
	kind := uintptr(*(*uint8)(unsafe.Add(unsafe.Pointer(&classes), (size+7)/8))) * 2
	if pointerFree(uintptr(layout)) {
		kind++
	}
	c := (*cursor)(unsafe.Add(unsafe.Pointer(&cursors), kind*unsafe.Sizeof(cursor{})))
	for c.free == 0 {
		c.refill(uint32(kind))
	}
	i := uintptr(bits.TrailingZeros64(c.free))
	c.free &= c.free - 1
	if c.layouts != 0 {
		*(*uintptr)(unsafe.Pointer(c.layouts + i*word)) = uintptr(layout)
	}
	p := c.first + i*c.size
	// A plain loop would be compiled to memory.fill, for which V8 leaves the module.
	for end := p + c.size; p != end; p += 8 {
		volatile.StoreUint64((*uint64)(unsafe.Pointer(p)), 0)
	}
	return unsafe.Pointer(p - c.size)
}

// refill finds a row in which there is room. If it collects instead, it is to be called again.
//
//go:noinline
func (c *cursor) refill(kind uint32) {
	for c.free == 0 {
		if s := c.span; s != nil && (c.row+1)*64 < s.count {
			c.row++
			c.take(s)
			continue
		}
		if c.span = c.more; c.span != nil {
			c.more = c.span.next
		} else if c.span = newSpan(c.size, kind); c.span == nil {
			return
		}
		c.row = ^uint32(0) // one before the first
	}
}

// take makes the free objects of a row the next ones.
func (c *cursor) take(s *span) {
	c.free = ^s.marks[c.row&(rows-1)]
	if rest := s.count - c.row*64; rest < 64 {
		c.free &= 1<<rest - 1
	}
	first := uintptr(c.row) * 64
	c.first, c.layouts = s.start+first*s.size, 0
	if s.layouts != 0 {
		c.layouts = s.layouts + first*word
	}
	n := uint64(bits.OnesCount64(c.free))
	handed.objects += n
	handed.bytes += n * uint64(s.size)
}

// giveBack leaves a cursor without a row. What is left of the row is free.
func (c *cursor) giveBack() {
	n := uint64(bits.OnesCount64(c.free))
	handed.objects -= n
	handed.bytes -= n * uint64(c.size)
	c.free, c.span, c.more = 0, nil, nil
}

//go:noinline
func allocLarge(size, layout uintptr) unsafe.Pointer {
	if size > maxPages*pageSize {
		outOfMemory()
	}
	pages := (size + pageSize - 1) / pageSize
	if used+pages > limit {
		collect()
		limit = max(limit, used+pages)
	}
	s := takePages(pages)
	s.size, s.count, s.large = pages*pageSize, 1, true
	if !pointerFree(layout) {
		s.layout = layout
		s.layouts = uintptr(unsafe.Pointer(&s.layout))
	}
	handed.objects++
	handed.bytes += uint64(s.size)
	clear(unsafe.Slice((*byte)(unsafe.Pointer(s.start)), s.size))
	return unsafe.Pointer(s.start)
}

func outOfMemory() { panic("heap: out of memory") }

//go:linkname free runtime.free
func free(unsafe.Pointer) {}

// GC implements runtime.GC.
//
//go:linkname GC runtime.GC
func GC() { collect() }

// SetFinalizer implements runtime.SetFinalizer by doing nothing, as TinyGo's own collectors do.
//
//go:linkname SetFinalizer runtime.SetFinalizer
func SetFinalizer(_, _ any) {}

// ReadMemStats implements runtime.ReadMemStats: fills in what is known.
//
//go:linkname ReadMemStats runtime.ReadMemStats
func ReadMemStats(m *runtime.MemStats) {
	m.Mallocs, m.TotalAlloc = handed.objects, handed.bytes
	for i := range cursors {
		left := uint64(bits.OnesCount64(cursors[i].free))
		m.Mallocs -= left
		m.TotalAlloc -= left * uint64(cursors[i].size)
	}
	m.Sys = uint64(memorySize())
	m.HeapSys = uint64(owned) * pageSize
	m.HeapInuse = uint64(used) * pageSize
	m.HeapAlloc = uint64(alive)
}
