package ed25519

const (
	// A scalar is cut into lanes of as many bits; the lanes of all scalars share their doublings.
	lanes, laneBits = 4, 64
	// Digits are odd, below 2^(window-1) and have a sign; of as many in a row one at most is not zero.
	window = 5
	// What a digit may be: 1, 3 ... 15.
	odds = 1 << (window - 2)
)

// multiples are the odd multiples of a point and of its multiples by 2^64, 2^128 and 2^192: 3840 bytes that save three
// of four doublings in every verification. They are made once for a key.
type multiples [lanes * odds]multiple

func newMultiples(p point) *multiples {
	var c completed
	var first, twice [lanes]point // 2^(64 lane) P, and twice that
	for lane := range lanes {
		first[lane] = p
		c.double(&p)
		p.extend(&c)
		twice[lane] = p
		for range laneBits - 1 {
			c.double(&p)
			p.extend(&c)
		}
	}
	var steps [lanes]multiple
	prepare(steps[:], twice[:])
	var odd [lanes * odds]point
	for i := range odd {
		lane := i / odds
		if i%odds == 0 {
			odd[i] = first[lane]
			continue
		}
		c.add(&odd[i-1], &steps[lane], false)
		odd[i].extend(&c)
	}
	m := new(multiples)
	prepare(m[:], odd[:])
	return m
}

// prepare makes points ready to be added. An inversion costs as much as 200 products, so there is one for all
// (Montgomery's trick): the product of all Z is inverted, and each 1/Z is what the others take from that.
func prepare(to []multiple, points []point) {
	before := make([]element, len(points)) // the product of all Z before this point's
	product := one
	for i := range points {
		before[i] = product
		product.mul(&product, &points[i].z)
	}
	var rest, inverse, x, y element
	rest.invert(&product) // of the product of all Z up to this point's
	for i := len(points) - 1; i >= 0; i-- {
		p, m := &points[i], &to[i]
		inverse.mul(&rest, &before[i])
		rest.mul(&rest, &p.z)
		x.mul(&p.x, &inverse)
		y.mul(&p.y, &inverse)
		m.sum.add(&y, &x)
		m.difference.sub(&y, &x)
		m.product.mul(&x, &y)
		m.product.mul(&m.product, &curve2D)
	}
}

// digits are a scalar's, where digit i weighs 2^i.
type digits [lanes * laneBits]int8

// recode gives the digits of s (the width-w non-adjacent form).
func (s *scalar) recode() (d digits) {
	carry := uint32(0)
	for i := 0; i < 8*32; {
		bits := uint32((uint64(s[i/32])|uint64(s[i/32+1])<<32)>>(i%32))&(1<<window-1) + carry
		if bits&1 == 0 {
			i++
			continue
		}
		carry = bits >> (window - 1)
		d[i] = int8(bits) - int8(carry<<window)
		i += window
	}
	return d
}

// combine gives s P + t Q, of their multiples.
func combine(s *scalar, p *multiples, t *scalar, q *multiples) (sum point) {
	ds, dt := s.recode(), t.recode()
	c := neutral
	for i := laneBits - 1; i >= 0; i-- {
		sum.project(&c)
		c.double(&sum)
		for lane := range lanes {
			if digit := ds[lane*laneBits+i]; digit != 0 {
				sum.extend(&c)
				c.addDigit(&sum, p[lane*odds:], digit)
			}
			if digit := dt[lane*laneBits+i]; digit != 0 {
				sum.extend(&c)
				c.addDigit(&sum, q[lane*odds:], digit)
			}
		}
	}
	sum.project(&c)
	return sum
}

func (c *completed) addDigit(p *point, m []multiple, digit int8) {
	if digit < 0 {
		c.add(p, &m[-digit/2], true)
	} else {
		c.add(p, &m[digit/2], false)
	}
}
