//go:build gc.custom

package heap

/*
extern unsigned char __global_base, __heap_base;
static unsigned long globals_start() { return (unsigned long)&__global_base; }
static unsigned long globals_end() { return (unsigned long)&__heap_base; }
*/
import "C"

import "unsafe"

// initial is a word of the globals that does not start as nil or as the address of a global, but as a number that an object may
// have for an address: a piece of one of Unicode's tables, mostly. As long as it is that number it is no pointer. Each such word would keep
// all of a request in memory, and there are thousands.
type initial struct {
	at, value uintptr
}

var numbers struct {
	base  uintptr // of those words, in the order of their addresses
	count uintptr
}

func number(i uintptr) *initial {
	return (*initial)(unsafe.Pointer(numbers.base + i*unsafe.Sizeof(initial{})))
}

// initRoots has to come before anything is allocated.
func initRoots() {
	eachNumber(func(uintptr, uintptr) { numbers.count++ })
	numbers.base = fromHost(numbers.count*unsafe.Sizeof(initial{}) + 1)
	numbers.count = 0
	eachNumber(func(at, value uintptr) {
		*number(numbers.count) = initial{at, value}
		numbers.count++
	})
}

func eachNumber(f func(at, value uintptr)) {
	end := globalsEnd()
	for at := globalsStart(); at < end; at += word {
		if value := *(*uintptr)(unsafe.Pointer(at)); value >= end && value < maxPages*pageSize {
			f(at, value)
		}
	}
}

func globalsStart() uintptr { return aligned(uintptr(C.globals_start())) }
func globalsEnd() uintptr   { return uintptr(C.globals_end()) &^ (word - 1) }

func aligned(address uintptr) uintptr { return (address + word - 1) &^ (word - 1) }

// markRoots marks what the words of the stack or of the globals may point to, and all that this leads to.
//
//go:linkname markRoots runtime.markRoots
func markRoots(start, end uintptr) {
	switch start = aligned(start); {
	case high <= low: // nothing is ours yet
	case start == globalsStart():
		markGlobals()
	default:
		scanWords(start, end)
	}
	markAll()
}

func markGlobals() {
	at := globalsStart()
	for i := range numbers.count {
		n := *number(i)
		scanWords(at, n.at)
		if *(*uintptr)(unsafe.Pointer(n.at)) != n.value {
			scanWord(n.at)
		}
		at = n.at + word
	}
	scanWords(at, globalsEnd())
}
