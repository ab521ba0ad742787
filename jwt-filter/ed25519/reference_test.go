package ed25519

import (
	"math/big"
	"math/rand/v2"
	"slices"
)

// The curve by the book (RFC 8032 section 5.1), in affine coordinates and big numbers: what the package is compared with.

func number(text string) *big.Int {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic(text)
	}
	return n
}

var (
	bigP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	bigL = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 252), number("27742317777372353535851937790883648493"))
	bigD = mod(new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), bigP)))
)

func mod(x *big.Int) *big.Int { return x.Mod(x, bigP) }

// affinePoint is a point of the reference.
type affinePoint struct{ x, y *big.Int }

var bigBase = affinePoint{
	number("15112221349535400772501151409588531511454012693041857206046113283949847762202"),
	number("46316835694926478169428394003475163141307993866256225615783033603165251855960"),
}

func (p affinePoint) add(q affinePoint) affinePoint {
	mul := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }
	product := mul(bigD, mul(mul(p.x, q.x), mul(p.y, q.y)))
	over := func(a, b *big.Int) *big.Int { return mul(a, new(big.Int).ModInverse(mod(b), bigP)) }
	one := big.NewInt(1)
	return affinePoint{
		over(mod(new(big.Int).Add(mul(p.x, q.y), mul(p.y, q.x))), new(big.Int).Add(one, product)),
		over(mod(new(big.Int).Add(mul(p.y, q.y), mul(p.x, q.x))), new(big.Int).Sub(one, product)),
	}
}

func (p affinePoint) negate() affinePoint { return affinePoint{mod(new(big.Int).Neg(p.x)), p.y} }

func (p affinePoint) times(n *big.Int) affinePoint {
	sum := affinePoint{big.NewInt(0), big.NewInt(1)}
	for i := n.BitLen() - 1; i >= 0; i-- {
		if sum = sum.add(sum); n.Bit(i) == 1 {
			sum = sum.add(p)
		}
	}
	return sum
}

func (p affinePoint) bytes() [32]byte {
	b := littleEndian(p.y)
	b[31] |= byte(p.x.Bit(0)) << 7
	return b
}

func (p affinePoint) point() (q point) {
	b := p.bytes()
	if !q.setBytes(&b) {
		panic("not a point")
	}
	return q
}

func littleEndian(n *big.Int) (b [32]byte) {
	n.FillBytes(b[:])
	slices.Reverse(b[:])
	return b
}

func fromLittleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// torsion are the points of small order: 0 to 7 times one of order 8.
var torsion = func() (points [8]affinePoint) {
	// L times any point is of small order; of order 8 if 4 times that is not neutral.
	for y := int64(2); ; y++ {
		p, ok := withY(big.NewInt(y))
		if !ok {
			continue
		}
		generator := p.times(bigL)
		if four := generator.times(big.NewInt(4)); four.x.Sign() == 0 && four.y.Cmp(big.NewInt(1)) == 0 {
			continue
		}
		for i := range points {
			points[i] = generator.times(big.NewInt(int64(i)))
		}
		return points
	}
}()

// withY is a point with this y, if there is one: x^2 = (y^2 - 1) / (d y^2 + 1).
func withY(y *big.Int) (affinePoint, bool) {
	one, yy := big.NewInt(1), new(big.Int).Mul(y, y)
	over := new(big.Int).ModInverse(mod(new(big.Int).Add(one, new(big.Int).Mul(bigD, yy))), bigP)
	xx := mod(new(big.Int).Mul(new(big.Int).Sub(yy, one), over))
	x := new(big.Int).ModSqrt(xx, bigP)
	return affinePoint{x, mod(new(big.Int).Set(y))}, x != nil
}

// value is the number that an element stands for, not reduced.
func value(e *element) *big.Int {
	sum := new(big.Int)
	for i := range e {
		offset, _ := position(i)
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(e[i])), uint(offset)))
	}
	return sum
}

// carriedLimit is the bound of a carried element's limb.
func carriedLimit(i int) int32 { _, size := position(i); return int32(1.01 * float64(int32(1)<<size)) }

// extreme gives an element of up to times carried ones, most often with the largest limbs of the one or the other sign.
func extreme(r *rand.Rand, times int32) (e element) {
	all := r.IntN(4)
	for i := range e {
		limit := times * carriedLimit(i)
		switch kind := r.IntN(4); {
		case all == 0 || all == 3 && kind == 0:
			e[i] = limit
		case all == 1 || all == 3 && kind == 1:
			e[i] = -limit
		case all == 3 && kind == 2:
			e[i] = 0
		default:
			e[i] = r.Int32N(2*limit+1) - limit
		}
	}
	return e
}

func random() *rand.Rand { return rand.New(rand.NewChaCha8([32]byte{1})) }
