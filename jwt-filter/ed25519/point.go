package ed25519

// A point is in extended coordinates: x = X/Z, y = Y/Z and xy = T/Z. The formulas are those of Hisil, Wong, Carter and
// Dawson, "Twisted Edwards Curves Revisited", for a = -1. They are complete: they hold for every two points of
// the curve, those of small order and equal ones included.
type point struct{ x, y, z, t element }

// completed is what a doubling or an addition gives, before the products that make it a point: x = X/Z and y = Y/T.
type completed struct{ x, y, z, t element }

// multiple is a point that is made ready to be added: y+x, y-x and 2dxy of its affine coordinates.
type multiple struct{ sum, difference, product element }

// The neutral element, (0, 1).
var neutral = completed{y: one, z: one, t: one}

// extend sets p to c, for an addition.
func (p *point) extend(c *completed) {
	p.project(c)
	p.t.mul(&c.x, &c.y)
}

// project sets p to c but for t, which a doubling does not look at.
func (p *point) project(c *completed) {
	p.x.mul(&c.x, &c.t)
	p.y.mul(&c.y, &c.z)
	p.z.mul(&c.z, &c.t)
}

// double sets c = 2p.
func (c *completed) double(p *point) {
	var xx, yy, zz element
	xx.square(&p.x)
	yy.square(&p.y)
	zz.square(&p.z)
	c.x.add(&p.x, &p.y)
	c.x.square(&c.x)
	c.y.add(&yy, &xx)
	c.z.sub(&yy, &xx)
	c.x.sub(&c.x, &c.y) // 2xy; three carried elements
	zz.add(&zz, &zz)
	c.t.sub(&zz, &c.z) // four carried elements
}

// add sets c = p + q, or p - q.
func (c *completed) add(p *point, q *multiple, negative bool) {
	sum, difference := &q.sum, &q.difference
	if negative {
		sum, difference = difference, sum // of (-x, y)
	}
	var a, b, product, zz element
	a.sub(&p.y, &p.x)
	a.mul(&a, difference)
	b.add(&p.y, &p.x)
	b.mul(&b, sum)
	product.mul(&p.t, &q.product)
	zz.add(&p.z, &p.z)
	c.x.sub(&b, &a)
	c.y.add(&b, &a)
	if negative {
		c.z.sub(&zz, &product)
		c.t.add(&zz, &product)
	} else {
		c.z.add(&zz, &product)
		c.t.sub(&zz, &product)
	}
}

// setBytes decodes a point as crypto/ed25519 does: like RFC 8032 section 5.1.3, but a y that is not below p and a
// negative 0 are accepted. It tells whether there is such a point.
func (p *point) setBytes(b *[32]byte) bool {
	var yy, u, v element
	p.y.setBytes(b)
	yy.square(&p.y)
	u.sub(&yy, &one)
	v.mul(&yy, &curveD)
	v.add(&v, &one)
	if !p.x.sqrtRatio(&u, &v) {
		return false
	}
	if p.x.isNegative() != (b[31]>>7 == 1) {
		p.x.negate(&p.x)
	}
	p.z = one
	p.t.mul(&p.x, &p.y)
	return true
}

// sqrtRatio sets z to a square root of u/v, if there is one.
func (z *element) sqrtRatio(u, v *element) bool {
	// RFC 8032 section 5.1.3, step 3: the candidate u v^3 (u v^7)^((p-5)/8), or that times the square root of -1.
	var v3, t, check, difference element
	v3.square(v)
	v3.mul(&v3, v)
	t.square(&v3)
	t.mul(&t, v)
	t.mul(&t, u)
	z.powRoot(&t)
	z.mul(z, &v3)
	z.mul(z, u)

	check.square(z)
	check.mul(&check, v)
	if difference.sub(&check, u); difference.isZero() {
		return true
	}
	z.mul(z, &sqrtM1)
	difference.add(&check, u)
	return difference.isZero()
}

// bytes encodes a point (RFC 8032 section 5.1.2).
func (p *point) bytes() [32]byte {
	var inverse, x, y element
	inverse.invert(&p.z)
	x.mul(&p.x, &inverse)
	y.mul(&p.y, &inverse)
	b := y.bytes()
	if x.isNegative() {
		b[31] |= 0x80
	}
	return b
}
