package ed25519

import "encoding/binary"

// scalar is a number below the order of the base point, in limbs of 32 bits, the lowest first. The ninth is zero but
// within reduce.
type scalar [9]uint32

// The order of the base point is L = 2^252 + tail (RFC 8032 section 5.1).
var tail = [4]uint32{0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de}

// setCanonical reads a number in little-endian order and tells whether it is below L.
func (s *scalar) setCanonical(b []byte) bool {
	for i := range 8 {
		s[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	if s[7] != 1<<28 {
		return s[7] < 1<<28
	}
	for i := 6; i >= 0; i-- {
		limit := uint32(0)
		if i < len(tail) {
			limit = tail[i]
		}
		if s[i] != limit {
			return s[i] < limit
		}
	}
	return false
}

// reduce reads a number in little-endian order modulo L.
func (s *scalar) reduce(b *[64]byte) {
	*s = scalar{}
	for i := len(b) - 2; i >= 0; i -= 2 {
		// s = 2^16 s + the next 16 bits, which is below 2^16 L.
		low := uint32(binary.LittleEndian.Uint16(b[i:]))
		for j := range s {
			s[j], low = s[j]<<16|low, s[j]>>16
		}
		// Take off what is at 2^252 and above, times L. What is left is below 2^252, and if it is below 0, by less
		// than 2^17 times the tail, so that one L more makes up for it.
		high := s[8]<<4 | s[7]>>28
		s[8], s[7] = 0, s[7]&(1<<28-1)
		if s.addTail(-int64(high)) < 0 {
			s.addTail(1)
			s[7] += 1 << 28
		}
	}
}

// addTail adds a small multiple of the tail and gives what is left at 2^256.
func (s *scalar) addTail(times int64) (carry int64) {
	for i := range 8 {
		carry += int64(s[i])
		if i < len(tail) {
			carry += times * int64(tail[i])
		}
		s[i] = uint32(carry)
		carry >>= 32
	}
	return carry
}
