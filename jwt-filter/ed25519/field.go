package ed25519

import "encoding/binary"

// element is a number modulo p = 2^255 - 19, in ten limbs of 26 and 25 bits by turns (limb i weighs 2^ceil(25.5 i)), each
// with a sign. The product of two limbs fits 64 bits with room for the sum of all ten, which Wasm multiplies in one
// instruction. Go's own field has limbs of 51 bits and products of 128, which Wasm has to put together of four.
//
// A number has many forms. What mul and square give is *carried*: limbs below 1.01 times 2^26 and 2^25. add and sub do
// not carry, and mul and square take what is up to four times as large, so of carried elements four may be added or
// subtracted before the next product. The tests hold every formula to that with the largest limbs.
type element [10]int32

var (
	zero = element{}
	one  = element{1}
	// d = -121665/121666, the constant of the curve, twice that, and the square root of -1.
	curveD  = element{0x35978a3, 0xd37284, 0x3156ebd, 0x6a0a0e, 0x1c029, 0x179e898, 0x3a03cbb, 0x1ce7198, 0x2e2b6ff, 0x1480db3}
	curve2D = element{0x2b2f159, 0x1a6e509, 0x22add7a, 0xd4141d, 0x38052, 0xf3d130, 0x3407977, 0x19ce331, 0x1c56dff, 0x901b67}
	sqrtM1  = element{0x20ea0b0, 0x186c9d2, 0x8f189d, 0x35697f, 0xbd0c60, 0x1fbd7a7, 0x2804c9e, 0x1e16569, 0x4fc1d, 0xae0c92}
)

func (z *element) add(x, y *element) {
	for i := range z {
		z[i] = x[i] + y[i]
	}
}

func (z *element) sub(x, y *element) {
	for i := range z {
		z[i] = x[i] - y[i]
	}
}

func (z *element) negate(x *element) { z.sub(&zero, x) }

// mul sets z = x y.
func (z *element) mul(x, y *element) {
	x0, x1, x2, x3, x4 := int64(x[0]), int64(x[1]), int64(x[2]), int64(x[3]), int64(x[4])
	x5, x6, x7, x8, x9 := int64(x[5]), int64(x[6]), int64(x[7]), int64(x[8]), int64(x[9])
	y0, y1, y2, y3, y4 := int64(y[0]), int64(y[1]), int64(y[2]), int64(y[3]), int64(y[4])
	y5, y6, y7, y8, y9 := int64(y[5]), int64(y[6]), int64(y[7]), int64(y[8]), int64(y[9])

	// What lands at 2^255 or above comes back times 19 (r); two odd limbs weigh twice what their sum's limb does (d).
	r1, r2, r3, r4, r5, r6, r7, r8, r9 := 19*y1, 19*y2, 19*y3, 19*y4, 19*y5, 19*y6, 19*y7, 19*y8, 19*y9
	d1, d3, d5, d7, d9 := 2*x1, 2*x3, 2*x5, 2*x7, 2*x9

	t0 := x0*y0 + d1*r9 + x2*r8 + d3*r7 + x4*r6 + d5*r5 + x6*r4 + d7*r3 + x8*r2 + d9*r1
	t1 := x0*y1 + x1*y0 + x2*r9 + x3*r8 + x4*r7 + x5*r6 + x6*r5 + x7*r4 + x8*r3 + x9*r2
	t2 := x0*y2 + d1*y1 + x2*y0 + d3*r9 + x4*r8 + d5*r7 + x6*r6 + d7*r5 + x8*r4 + d9*r3
	t3 := x0*y3 + x1*y2 + x2*y1 + x3*y0 + x4*r9 + x5*r8 + x6*r7 + x7*r6 + x8*r5 + x9*r4
	t4 := x0*y4 + d1*y3 + x2*y2 + d3*y1 + x4*y0 + d5*r9 + x6*r8 + d7*r7 + x8*r6 + d9*r5
	t5 := x0*y5 + x1*y4 + x2*y3 + x3*y2 + x4*y1 + x5*y0 + x6*r9 + x7*r8 + x8*r7 + x9*r6
	t6 := x0*y6 + d1*y5 + x2*y4 + d3*y3 + x4*y2 + d5*y1 + x6*y0 + d7*r9 + x8*r8 + d9*r7
	t7 := x0*y7 + x1*y6 + x2*y5 + x3*y4 + x4*y3 + x5*y2 + x6*y1 + x7*y0 + x8*r9 + x9*r8
	t8 := x0*y8 + d1*y7 + x2*y6 + d3*y5 + x4*y4 + d5*y3 + x6*y2 + d7*y1 + x8*y0 + d9*r9
	t9 := x0*y9 + x1*y8 + x2*y7 + x3*y6 + x4*y5 + x5*y4 + x6*y3 + x7*y2 + x8*y1 + x9*y0

	z.carry(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9)
}

// square sets z = x x.
func (z *element) square(x *element) {
	x0, x1, x2, x3, x4 := int64(x[0]), int64(x[1]), int64(x[2]), int64(x[3]), int64(x[4])
	x5, x6, x7, x8, x9 := int64(x[5]), int64(x[6]), int64(x[7]), int64(x[8]), int64(x[9])

	// As in mul, with each product of two different limbs taken once and doubled.
	r5, r6, r7, r8, r9 := 19*x5, 19*x6, 19*x7, 19*x8, 19*x9
	d0, d1, d2, d3, d4 := 2*x0, 2*x1, 2*x2, 2*x3, 2*x4
	d5, d6, d7, d8, d9 := 2*x5, 2*x6, 2*x7, 2*x8, 2*x9

	t0 := x0*x0 + 2*d1*r9 + d2*r8 + 2*d3*r7 + d4*r6 + d5*r5
	t1 := d0*x1 + d2*r9 + d3*r8 + d4*r7 + d5*r6
	t2 := d0*x2 + d1*x1 + 2*d3*r9 + d4*r8 + 2*d5*r7 + x6*r6
	t3 := d0*x3 + d1*x2 + d4*r9 + d5*r8 + d6*r7
	t4 := d0*x4 + d1*d3 + x2*x2 + 2*d5*r9 + d6*r8 + d7*r7
	t5 := d0*x5 + d1*x4 + d2*x3 + d6*r9 + d7*r8
	t6 := d0*x6 + d1*d5 + d2*x4 + d3*x3 + 2*d7*r9 + x8*r8
	t7 := d0*x7 + d1*x6 + d2*x5 + d3*x4 + d8*r9
	t8 := d0*x8 + d1*d7 + d2*x6 + d3*d5 + x4*x4 + d9*r9
	t9 := d0*x9 + d1*x8 + d2*x7 + d3*x6 + d4*x5

	z.carry(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9)
}

// carry sets z to limbs that may have up to 62 bits and a sign. Two chains of carries run side by side, from limbs 0
// and 4, so that a processor can overlap them.
func (z *element) carry(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 int64) {
	const even, odd = 1<<26 - 1, 1<<25 - 1
	t1, t5 = t1+t0>>26, t5+t4>>26
	t0, t4 = t0&even, t4&even
	t2, t6 = t2+t1>>25, t6+t5>>25
	t1, t5 = t1&odd, t5&odd
	t3, t7 = t3+t2>>26, t7+t6>>26
	t2, t6 = t2&even, t6&even
	t4, t8 = t4+t3>>25, t8+t7>>25
	t3, t7 = t3&odd, t7&odd
	t5, t9 = t5+t4>>26, t9+t8>>26
	t4, t8 = t4&even, t8&even
	t0 += 19 * (t9 >> 25)
	t9 &= odd
	t1 += t0 >> 26
	t0 &= even
	*z = element{
		int32(t0), int32(t1), int32(t2), int32(t3), int32(t4), int32(t5), int32(t6), int32(t7), int32(t8), int32(t9),
	}
}

// squareTimes sets z = x^(2^n).
func (z *element) squareTimes(x *element, n int) {
	z.square(x)
	for range n - 1 {
		z.square(z)
	}
}

// pow250 sets z = x^(2^250 - 1) and gives x^11; both exponents below are made of the two. z and x must differ.
func (z *element) pow250(x *element) (x11 element) {
	var t, saved element
	t.squareTimes(x, 3)
	t.mul(&t, x) // x^9
	z.square(x)
	x11.mul(&t, z)
	z.square(&x11)
	z.mul(z, &t) // x^31, and 31 = 2^5 - 1

	// x^(2^n - 1), n times squared, times x^(2^m - 1), is x^(2^(n+m) - 1).
	t.squareTimes(z, 5)
	z.mul(&t, z) // 2^10 - 1
	saved = *z
	t.squareTimes(z, 10)
	z.mul(&t, z) // 2^20 - 1
	t.squareTimes(z, 20)
	z.mul(&t, z) // 2^40 - 1
	t.squareTimes(z, 10)
	z.mul(&t, &saved) // 2^50 - 1
	saved = *z
	t.squareTimes(z, 50)
	z.mul(&t, z) // 2^100 - 1
	t.squareTimes(z, 100)
	z.mul(&t, z) // 2^200 - 1
	t.squareTimes(z, 50)
	z.mul(&t, &saved) // 2^250 - 1
	return x11
}

// invert sets z = 1/x, or 0 for 0: x^(p-2), where p-2 = 2^5 (2^250 - 1) + 11. z and x must differ.
func (z *element) invert(x *element) {
	x11 := z.pow250(x)
	z.squareTimes(z, 5)
	z.mul(z, &x11)
}

// powRoot sets z = x^((p-5)/8), where (p-5)/8 = 2^2 (2^250 - 1) + 1. z and x must differ.
func (z *element) powRoot(x *element) {
	z.pow250(x)
	z.squareTimes(z, 2)
	z.mul(z, x)
}

// position is where limb i begins, and how many bits it has: 26 or 25.
func position(i int) (offset, size int) { return (51*i + 1) / 2, 26 - i&1 }

// setBytes reads a number in little-endian order. The highest bit is left out; p and above are taken modulo p.
func (z *element) setBytes(b *[32]byte) {
	for i := range z {
		offset, size := position(i)
		z[i] = int32(binary.LittleEndian.Uint32(b[offset/8:]) >> (offset % 8) & (1<<size - 1))
	}
}

// bytes gives an element of up to four carried ones in the form of RFC 8032 section 5.1.2: below p, little-endian.
func (z *element) bytes() (b [32]byte) {
	t := *z
	// The first pass leaves limb 0 alone out of its range, by little; after the second every limb is in it.
	for range 2 {
		t[0] += 19 * t.propagate()
	}
	// Now t < 2^255 = p + 19.
	reduced := t
	reduced[0] += 19
	if reduced.propagate() == 1 {
		t = reduced // t - p
	}
	for i := range t {
		offset, _ := position(i)
		at := b[offset/8:]
		binary.LittleEndian.PutUint32(at, binary.LittleEndian.Uint32(at)|uint32(t[i])<<(offset%8))
	}
	return b
}

// propagate brings each limb into its range, from the lowest on, and gives what is left at 2^255.
func (z *element) propagate() (carry int32) {
	for i := range z {
		_, size := position(i)
		z[i] += carry
		carry = z[i] >> size
		z[i] &= 1<<size - 1
	}
	return carry
}

// isZero tells whether an element is 0 modulo p; see bytes.
func (z *element) isZero() bool { return z.bytes() == [32]byte{} }

// isNegative tells whether an element below p is odd, as RFC 8032 section 5.1.3 calls it; see bytes.
func (z *element) isNegative() bool { return z.bytes()[0]&1 == 1 }
