package screen

import "math/bits"

// Bits is a set of small numbers. Those that are combined have the same length.
type Bits []uint64

// NewBits makes an empty set of numbers below n.
func NewBits(n int) Bits { return make(Bits, (n+63)/64) }

// Add adds a number.
func (b Bits) Add(i int) { b[i/64] |= 1 << (i % 64) }

// Has tells whether a number is in the set.
func (b Bits) Has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }

// Meets tells whether there is a number in both sets.
func (b Bits) Meets(o Bits) bool {
	for i, w := range b {
		if w&o[i] != 0 {
			return true
		}
	}
	return false
}

// Or adds all of another set.
func (b Bits) Or(o Bits) {
	for i := range b {
		b[i] |= o[i]
	}
}

// Fill adds all numbers, and some beyond.
func (b Bits) Fill() {
	for i := range b {
		b[i] = ^uint64(0)
	}
}

// next is the first number of a word, and the word without it.
func next(w uint64) (int, uint64) { return bits.TrailingZeros64(w), w & (w - 1) }

// Each calls f for each number.
func (b Bits) Each(f func(i int)) {
	for word, w := range b {
		for w != 0 {
			var i int
			i, w = next(w)
			f(word*64 + i)
		}
	}
}
