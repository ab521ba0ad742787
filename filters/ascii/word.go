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
