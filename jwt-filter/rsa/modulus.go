package rsa

import "math/bits"

const (
	limbBits = 28
	limbMask = 1<<limbBits - 1
	// Rows of a product are done by four. Numbers have a multiple of as many limbs.
	block = 4
	// After so many rows columns are carried, which keeps them below 2^64: in a square, a row can add a product of 57
	// bits to a column (two equal ones of 56). Before a reduction they need not be carried again. Since the last time, at
	// most 112 products of 56 bits came together in a column, and the reduction adds no more than that before it carries.
	maxRows = 112
)

// A number has limbs of 28 bits, the lowest first, and as many as the modulus. The product of two limbs has 56 bits, so
// that whole columns are added up in 64 bits before anything is carried. Limbs
// of 32 bits would need a quarter fewer products and a carry after each, which costs more than it saves.
type number []uint32

// modulus computes modulo an odd n, in Montgomery's form: x stands for x/R, where R = 2^(28 limbs). As R is above 4n, results
// below 2n are as good as reduced ones as factors of the next product, which saves the comparison with n.
type modulus struct {
	n       number
	inverse uint32   // -1/n modulo 2^28
	rr      number   // R^2 modulo n
	columns []uint64 // scratch, twice as long
}

// newModulus takes an odd number, in big-endian order without leading zeros.
func newModulus(n []byte) *modulus {
	size := bits.Len8(n[0]) + 8*(len(n)-1)
	limbs := (size + 2 + limbBits - 1) / limbBits
	limbs = (limbs + block - 1) / block * block
	m := &modulus{n: make(number, limbs), rr: make(number, limbs), columns: make([]uint64, 2*limbs)}
	m.n.setBytes(n)

	inverse := m.n[0] // of n modulo 2^3, as n is odd; each of Newton's steps doubles the bits
	for range 4 {
		inverse *= 2 - m.n[0]*inverse
	}
	m.inverse = -inverse & limbMask

	// R^2: 2^(size-1) < n is doubled until it is 2^(R's bits/16) R, which is squared four times.
	at := size - 1
	m.rr[at/limbBits] = 1 << (at % limbBits)
	for ; at < limbBits*limbs+limbBits*limbs/16; at++ {
		m.rr.double()
		m.reduceOnce(m.rr)
	}
	for range 4 {
		m.square(m.rr, m.rr)
	}
	return m
}

// power sets z to x^e modulo n, for x < n and an odd e from 3 on. montgomery is scratch; the three must differ.
func (m *modulus) power(z, x, montgomery number, e uint32) {
	m.multiply(montgomery, x, m.rr)
	copy(z, montgomery)
	for i := bits.Len32(e) - 2; i > 0; i-- {
		m.square(z, z)
		if e>>i&1 == 1 {
			m.multiply(z, z, montgomery)
		}
	}
	m.square(z, z)
	m.multiply(z, z, x) // as x, and not as montgomery: the result is in the ordinary form
	m.reduceOnce(z)
}

// multiply sets z to x y/R modulo n.
func (m *modulus) multiply(z, x, y number) {
	clear(m.columns)
	for i := 0; i < len(y); i += block {
		if i > 0 && i%maxRows == 0 {
			carry(m.columns)
		}
		accumulate(m.columns[i:], x, uint64(y[i]), uint64(y[i+1]), uint64(y[i+2]), uint64(y[i+3]))
	}
	m.reduce(z)
}

// square sets z to x x/R modulo n.
func (m *modulus) square(z, x number) {
	clear(m.columns)
	for i := 0; i < len(x); i += block {
		if i > 0 && i%maxRows == 0 {
			carry(m.columns)
		}
		x0, x1, x2, x3 := uint64(x[i]), uint64(x[i+1]), uint64(x[i+2]), uint64(x[i+3])
		c := m.columns[2*i:]
		c[0] += x0 * x0
		c[1] += 2 * x0 * x1
		c[2] += 2*x0*x2 + x1*x1
		c[3] += 2 * (x0*x3 + x1*x2)
		c[4] += 2*x1*x3 + x2*x2
		c[5] += 2 * x2 * x3
		c[6] += x3 * x3
		accumulate(c[block:], x[i+block:], 2*x0, 2*x1, 2*x2, 2*x3)
	}
	m.reduce(z)
}

// reduce sets z to the columns, divided by R modulo n.
func (m *modulus) reduce(z number) {
	n0, n1, n2, n3 := uint64(m.n[0]), uint64(m.n[1]), uint64(m.n[2]), uint64(m.n[3])
	inverse := uint64(m.inverse)
	for i := 0; i < len(m.n); i += block {
		c := m.columns[i:]
		if i > 0 && i%maxRows == 0 {
			carry(c)
		}
		// The multiples of n that make the lowest four columns zero, and what those leave to the fifth.
		t := c[0]
		q0 := t * inverse & limbMask
		t = (t+q0*n0)>>limbBits + c[1] + q0*n1
		q1 := t * inverse & limbMask
		t = (t+q1*n0)>>limbBits + c[2] + q0*n2 + q1*n1
		q2 := t * inverse & limbMask
		t = (t+q2*n0)>>limbBits + c[3] + q0*n3 + q1*n2 + q2*n1
		q3 := t * inverse & limbMask
		c[4] += (t + q3*n0) >> limbBits
		accumulate(c, m.n, q0, q1, q2, q3)
	}
	rest := uint64(0)
	for i, c := range m.columns[len(z):] {
		rest += c
		z[i] = uint32(rest & limbMask)
		rest >>= limbBits
	}
}

// accumulate adds the product of x and of four limbs, given the lowest first, to columns. Nearly all the time of a
// verification is spent in its loop.
func accumulate(columns []uint64, x number, y0, y1, y2, y3 uint64) {
	var x1, x2, x3 uint64 // the limbs before x0
	head := columns[:len(x)]
	for i, limb := range x {
		x0 := uint64(limb)
		head[i] += y0*x0 + y1*x1 + y2*x2 + y3*x3
		x1, x2, x3 = x0, x1, x2
	}
	tail := columns[len(x):]
	tail[0] += y1*x1 + y2*x2 + y3*x3
	tail[1] += y2*x1 + y3*x2
	tail[2] += y3 * x1
}

// carry brings each column below 2^28.
func carry(columns []uint64) {
	rest := uint64(0)
	for i, c := range columns {
		rest += c
		columns[i] = rest & limbMask
		rest >>= limbBits
	}
}

// reduceOnce takes n off a number below 2n, if it is not below n.
func (m *modulus) reduceOnce(x number) {
	for i := len(x) - 1; i >= 0; i-- {
		if x[i] != m.n[i] {
			if x[i] < m.n[i] {
				return
			}
			break
		}
	}
	borrow := int32(0)
	for i := range x {
		borrow += int32(x[i]) - int32(m.n[i])
		x[i] = uint32(borrow) & limbMask
		borrow >>= limbBits
	}
}

func (x number) double() {
	low := uint32(0)
	for i, limb := range x {
		x[i] = limb<<1&limbMask | low
		low = limb >> (limbBits - 1)
	}
}

// setBytes reads a number in big-endian order.
func (x number) setBytes(b []byte) {
	clear(x)
	for i := range b {
		at := 8 * (len(b) - 1 - i)
		limb, offset := at/limbBits, at%limbBits
		x[limb] |= uint32(b[i]) << offset & limbMask
		if offset > limbBits-8 {
			x[limb+1] |= uint32(b[i]) >> (limbBits - offset)
		}
	}
}

// fillBytes writes a number in big-endian order, as far as b goes.
func (x number) fillBytes(b []byte) {
	for i := range b {
		at := 8 * (len(b) - 1 - i)
		limb, offset := at/limbBits, at%limbBits
		v := x[limb] >> offset
		if offset > limbBits-8 {
			v |= x[limb+1] << (limbBits - offset)
		}
		b[i] = byte(v)
	}
}
