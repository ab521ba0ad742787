// Package siphash is SipHash-2-4 with a digest of 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012;
// the long digest is of their reference implementation). It goes by whole words, where TinyGo makes of a library's eight loads
// of a byte just that: every request has its token and the keys of its limits hashed. It is for machines whose numbers begin
// with the least byte, as Wasm's do.
package siphash

import (
	"math/bits"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// Hash128 is the digest of a text under a key of two words: the reference's first eight bytes, as a little-endian number, and the
// other eight. Without the key nobody can tell digests from random numbers.
func Hash128(k0, k1 uint64, text []byte) (low, high uint64) {
	v0, v1 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d^0xee
	v2, v3 := k0^0x6c7967656e657261, k1^0x7465646279746573
	end := len(text) &^ 7
	for i := 0; i < end; i += 8 {
		m := ascii.Word(text, i)
		v3 ^= m
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
		v0 ^= m
	}
	m := rest(text[end:]) | uint64(len(text))<<56
	v3 ^= m
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0 ^= m
	v2 ^= 0xee
	v0, v1, v2, v3 = four(v0, v1, v2, v3)
	low = v0 ^ v1 ^ v2 ^ v3
	v1 ^= 0xdd
	v0, v1, v2, v3 = four(v0, v1, v2, v3)
	return low, v0 ^ v1 ^ v2 ^ v3
}

// round is SipRound.
func round(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v3
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 += v3
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 += v1
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}

func four(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	for range 4 {
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
	}
	return v0, v1, v2, v3
}

// rest is up to seven bytes as a little-endian number.
func rest(b []byte) (word uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		word = word<<8 | uint64(b[i])
	}
	return word
}
