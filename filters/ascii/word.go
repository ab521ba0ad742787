package ascii

import "unsafe"

// Word is the eight bytes of a text from i on, in the machine's order, and SetWord puts eight bytes there. i+8 must not be
// beyond the end, which is not checked. To put eight loads of a byte together, as encoding/binary has them, takes an
// optimization that TinyGo leaves out, and both are for what goes through every request's headers.
func Word(b []byte, i int) uint64 {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}

// SetWord is described at Word.
func SetWord(b []byte, i int, word uint64) {
	*(*uint64)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i)) = word
}

// Equal tells whether two texts are the same, eight bytes at a time: TinyGo's == goes by single bytes, which is good for
// names and not for what is as long as a user's claims.
func Equal(a, b string) bool {
	if len(a) != len(b) || len(a) < 8 {
		return a == b
	}
	x, y := unsafe.StringData(a), unsafe.StringData(b)
	if x == y {
		return true
	}
	for i := 0; ; i += 8 {
		last := i+8 >= len(a)
		if last {
			i = len(a) - 8 // some of them once more
		}
		if *(*uint64)(unsafe.Add(unsafe.Pointer(x), i)) != *(*uint64)(unsafe.Add(unsafe.Pointer(y), i)) {
			return false
		}
		if last {
			return true
		}
	}
}
