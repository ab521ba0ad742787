package sdk

import "unsafe"

// arenaSize is room for the headers and attributes of nearly every request, a token and a certificate included.
const arenaSize = 32 << 10

// arena is the memory in which the host leaves what it returns during a callback. It is one buffer, used again by the
// next callback, so that a request leaves no garbage; what does not fit into it is allocated. Strings made of it are
// valid until the callback returns: host.Host says so.
type arena struct {
	buf  []byte
	used uint32
}

// reset starts a callback. Callbacks do not nest: the one entry that the host makes during a call is for memory.
func (a *arena) reset() {
	if a.buf == nil {
		a.buf = make([]byte, arenaSize)
	}
	a.used = 0
}

// disable makes the callback's memory its own.
func (a *arena) disable() { a.used = arenaSize }

func (a *arena) allocate(size uint32) *byte {
	const align = 8 // for hosts that write numbers where they are
	if size <= arenaSize && a.used <= arenaSize-size && a.buf != nil {
		at := a.used
		a.used = (at + size + align - 1) &^ (align - 1)
		return (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(a.buf)), at))
	}
	if size == 0 {
		size = 1 // an address is wanted nevertheless
	}
	return unsafe.SliceData(make([]byte, size))
}
