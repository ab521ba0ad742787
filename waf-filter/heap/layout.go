//go:build gc.custom

package heap

import "unsafe"

// A layout tells which words of an object may be pointers, as TinyGo's compiler has it (see gc_precise.go in its runtime):
// 0 is unknown; with the lowest bit set, it is in the number itself, 5 bits for how many words and then a bit for each; else it is
// the address of both. An object longer than its layout is an array.
const (
	layoutCount = 5
	layoutBits  = 1 + layoutCount
)

func pointerFree(layout uintptr) bool { return layout&1 != 0 && layout>>layoutBits == 0 }

// scan marks what an object points to. What is left over behind its last element is zero.
func scan(start, end, layout uintptr) {
	switch {
	case layout == 0:
		scanWords(start, end)
	case layout&1 != 0:
		pointers := layout >> layoutBits
		for step := layout >> 1 & (1<<layoutCount - 1) * word; start+step <= end; start += step {
			scanSome(start, pointers)
		}
	default:
		words := *(*uintptr)(unsafe.Pointer(layout))
		pointers := unsafe.Pointer(layout + word)
		for ; start+words*word <= end; start += words * word {
			for i := uintptr(0); i < (words+7)/8; i++ {
				scanSome(start+i*8*word, uintptr(*(*uint8)(unsafe.Add(pointers, i))))
			}
		}
	}
}

// scanSome marks what those words point to that have a bit, the lowest being for the first.
func scanSome(at, pointers uintptr) {
	for ; pointers != 0; pointers >>= 1 {
		if pointers&1 != 0 {
			scanWord(at)
		}
		at += word
	}
}

func scanWords(start, end uintptr) {
	for ; start+word <= end; start += word {
		scanWord(start)
	}
}

func scanWord(at uintptr) {
	if p := *(*uintptr)(unsafe.Pointer(at)); p-low*pageSize < (high-low)*pageSize {
		mark(p)
	}
}
