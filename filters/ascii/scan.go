package ascii

import "unsafe"

// Scan goes through a text once, eight bytes at a time. printable is whether it has printable characters of ASCII, space
// and tab only, and found whether one of its bytes is what is looked for, which is printable itself.
func Scan(text string, what byte) (printable, found bool) {
	b := unsafe.Slice(unsafe.StringData(text), len(text))
	if len(b) < 8 {
		return scanBytes(b, what)
	}
	const each, high = 0x0101010101010101, 0x8080808080808080
	wanted := uint64(what) * each
	var unusual, equal uint64
	for i := 0; ; i += 8 {
		last := i+8 >= len(b)
		if last {
			i = len(b) - 8 // some of them once more
		}
		eight := Word(b, i)
		// The highest bit of a byte is set in one of the terms if it is not printable: from 0x80 on, 0x7f, below a space. A
		// carry or borrow may set that of the next byte, too, but only of one that has set its own.
		unusual |= eight | (eight + each) | (eight - ' '*each)
		// Zero where a byte is equal. Here a borrow may only add bytes behind one that is.
		difference := eight ^ wanted
		equal |= (difference - each) &^ difference
		if last {
			break
		}
	}
	if unusual&high != 0 { // a tab, perhaps
		return scanBytes(b, what)
	}
	return true, equal&high != 0
}

func scanBytes(b []byte, what byte) (printable, found bool) {
	printable = true
	for _, c := range b {
		if (c < ' ' || c >= 0x7f) && c != '\t' {
			printable = false
		}
		found = found || c == what
	}
	return printable, found
}
