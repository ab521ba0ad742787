//go:build gc.custom

package heap

/*
static int memory_grow(int pages) { return __builtin_wasm_memory_grow(0, pages); }
static int memory_size() { return __builtin_wasm_memory_size(0); }
*/
import "C"

import "unsafe"

const (
	pageSize = 8 << 10
	wasmPage = 64 << 10
	// maxPages is 1 GiB, to which Envoy caps a VM.
	maxPages = 1 << 30 / pageSize
	// growth is the least by which the memory grows.
	growth = 1 << 20
	// minBudget is how many pages may be taken between two collections, if what is alive does not allow for more. It is as little as it
	// is for the sake of the start: what is made of a configuration stays, and the fewer pages it shares with what was garbage
	// soon, the fewer the VM has for ever. A collection looks at all globals, the text of rules among them, however little is alive.
	minBudget = 2 << 20 / pageSize
)

// rows is how many rows of 64 objects a span has at most.
const rows = pageSize / 16 / 64

// span is a few pages in a row, with objects of one kind or with one large object.
type span struct {
	start   uintptr
	size    uintptr // of an object
	count   uint32  // of objects
	inverse uint32  // 2^32/size, rounded up
	layouts uintptr // address of the objects' layouts, a word each; 0: no pointers
	layout  uintptr // of the large object
	pages   uint32
	kind    uint32
	large   bool
	next    *span
	marks   [rows]uint64 // of objects that the last collection found alive
}

// The pages. Between those of ours may be others, which malloc has taken.
var (
	// table has for each page of the memory its span, or freePage, or 0 if it is not ours. Neither it nor spans are among the
	// globals or in pages of ours, so no collection looks through them.
	table     *[maxPages]uintptr
	low, high uintptr // the first page of ours, and the one behind the last
	lowest    uintptr // no free page is before this one
	owned     uintptr // how many pages are ours
	used      uintptr // and in spans
	limit     uintptr // how many may be used until the next collection
	spare     *span   // that are of no use now
	unused    struct{ at, left uintptr }
)

const freePage = 1

func initPages() {
	table = (*[maxPages]uintptr)(unsafe.Pointer(fromHost(maxPages * word)))
	marking.grow(wasmPage / unsafe.Sizeof(object{}))
	low, lowest = maxPages, maxPages
	limit = minBudget
}

// fromHost is new memory, zeroed.
func fromHost(size uintptr) uintptr {
	old := C.memory_grow(C.int((size + wasmPage - 1) / wasmPage))
	if old < 0 {
		outOfMemory()
	}
	return uintptr(old) * wasmPage
}

func memorySize() uintptr { return uintptr(C.memory_size()) * wasmPage }

// newSpan is a span for small objects. nil: there was a collection instead, so there may be room elsewhere.
func newSpan(size uintptr, kind uint32) *span {
	pages := uintptr(1)
	if size > 256 {
		pages = 4 // or too few would fit
	}
	if used+pages > limit {
		collect()
		return nil
	}
	s := takePages(pages)
	s.size, s.kind = size, kind
	s.inverse = uint32(1<<32/uint64(size)) + 1
	if kind&1 != 0 {
		s.count = uint32(pages * pageSize / size)
		return s
	}
	s.count = uint32(pages * pageSize / (size + word))
	s.layouts = s.start + uintptr(s.count)*size
	// A word of the stack that only looks like a pointer may lead to an object before there is one.
	clear(unsafe.Slice((*uintptr)(unsafe.Pointer(s.layouts)), s.count))
	return s
}

// takePages makes a span of so many pages.
func takePages(n uintptr) *span {
	page := findPages(n)
	s := spare
	if s != nil {
		spare = s.next
	} else {
		if unused.left < unsafe.Sizeof(span{}) {
			unused.at, unused.left = fromHost(wasmPage), wasmPage
		}
		s = (*span)(unsafe.Pointer(unused.at))
		unused.at += unsafe.Sizeof(span{})
		unused.left -= unsafe.Sizeof(span{})
	}
	*s = span{start: page * pageSize, pages: uint32(n)}
	for i := range n {
		table[page+i] = uintptr(unsafe.Pointer(s))
	}
	used += n
	return s
}

// release is the end of a span.
func (s *span) release() {
	page := s.start / pageSize
	for i := range uintptr(s.pages) {
		table[page+i] = freePage
	}
	lowest = min(lowest, page)
	used -= uintptr(s.pages)
	s.next, spare = spare, s
}

// findPages finds the lowest free pages in a row.
func findPages(n uintptr) uintptr {
	for {
		row, first := uintptr(0), high
		for page := lowest; page < high; page++ {
			if table[page] != freePage {
				row = 0
				continue
			}
			first = min(first, page)
			if row++; row == n {
				lowest = first
				return page + 1 - n
			}
		}
		start := fromHost(max(n*pageSize, growth)) / pageSize
		end := memorySize() / pageSize
		for page := start; page < end; page++ {
			table[page] = freePage
		}
		owned += end - start
		low, high, lowest = min(low, start), max(high, end), min(first, start)
	}
}

// spanOf is the span of a page, nil if it has none.
func spanOf(page uintptr) *span {
	if s := table[page]; s > freePage {
		return (*span)(unsafe.Pointer(s))
	}
	return nil
}

// each calls f for every span, which it may release.
func each(f func(*span)) {
	for page := low; page < high; {
		s := spanOf(page)
		if s == nil {
			page++
			continue
		}
		page += uintptr(s.pages)
		f(s)
	}
}
