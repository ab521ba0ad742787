package ed25519

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The formulas do not overflow: with the largest limbs that they may be given, on the curve or not, they agree with
// the same formulas in big numbers.
func TestFormulasAtTheirBounds(t *testing.T) {
	mul := func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }
	add := func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
	sub := func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
	var what string
	check := func(c *completed, e, f, g, h *big.Int) {
		t.Helper()
		var p point
		p.extend(c)
		same(t, mul(e, f), &p.x, what+" x")
		same(t, mul(g, h), &p.y, what+" y")
		same(t, mul(f, g), &p.z, what+" z")
		same(t, mul(e, h), &p.t, what+" t")
	}
	r := random()
	for range rounds / 2 {
		p := point{extreme(r, 1), extreme(r, 1), extreme(r, 1), extreme(r, 1)}
		m := multiple{extreme(r, 2), extreme(r, 2), extreme(r, 1)}
		x, y, z, txy := value(&p.x), value(&p.y), value(&p.z), value(&p.t)
		var c completed

		c.double(&p)
		sum, g := add(mul(y, y), mul(x, x)), sub(mul(y, y), mul(x, x))
		what = "double"
		check(&c, mul(big.NewInt(2), mul(x, y)), sub(mul(big.NewInt(2), mul(z, z)), g), g, sum)

		for _, negative := range []bool{false, true} {
			c.add(&p, &m, negative)
			s, d, product := value(&m.sum), value(&m.difference), mul(txy, value(&m.product))
			what = "add"
			if negative {
				s, d, product = d, s, product.Neg(product)
				what = "subtract"
			}
			a, b, zz := mul(sub(y, x), d), mul(add(y, x), s), add(z, z)
			check(&c, sub(b, a), sub(zz, product), add(zz, product), add(b, a))
		}
	}
}

// somePoints are of large order, of small order and of both.
func somePoints(r *rand.Rand) []affinePoint {
	points := torsion[:]
	for i := range 8 {
		p := bigBase.times(big.NewInt(r.Int64()))
		points = append(points, p, p.add(torsion[i]))
	}
	return points
}

func TestPoints(t *testing.T) {
	points := somePoints(random())
	for _, a := range points {
		p := a.point()
		require.Equal(t, a.bytes(), p.bytes())
		var c completed
		var got point
		c.double(&p)
		got.extend(&c)
		require.Equal(t, a.add(a).bytes(), got.bytes())
		for _, b := range points {
			var m [1]multiple
			prepare(m[:], []point{b.point()})
			c.add(&p, &m[0], false)
			got.extend(&c)
			require.Equal(t, a.add(b).bytes(), got.bytes())
			c.add(&p, &m[0], true)
			got.extend(&c)
			require.Equal(t, a.add(b.negate()).bytes(), got.bytes())
			var xy, tz element
			xy.mul(&got.x, &got.y)
			tz.mul(&got.t, &got.z)
			require.Equal(t, xy.bytes(), tz.bytes(), "T/Z is xy")
		}
	}
}

func TestBasePoint(t *testing.T) {
	b := basePoint()
	assert.Equal(t, bigBase.bytes(), b.bytes())
}

func TestMultiples(t *testing.T) {
	for _, a := range somePoints(random())[5:11] {
		m := newMultiples(a.point())
		for i := range m {
			n := new(big.Int).Lsh(big.NewInt(int64(2*(i%odds)+1)), uint(i/odds*laneBits))
			want := a.times(n)
			same(t, new(big.Int).Add(want.y, want.x), reduced(&m[i].sum), "y+x")
			same(t, new(big.Int).Sub(want.y, want.x), reduced(&m[i].difference), "y-x")
			same(t, mod(new(big.Int).Mul(bigD, new(big.Int).Mul(big.NewInt(2), new(big.Int).Mul(want.x, want.y)))), &m[i].product, "2dxy")
		}
	}
}

func reduced(e *element) *element {
	var z element
	z.mul(e, &one)
	return &z
}

func TestCombine(t *testing.T) {
	r := random()
	points := somePoints(r)
	for _, p := range points {
		q := points[r.IntN(len(points))]
		for _, pair := range [][2]*big.Int{
			{someScalar(r), someScalar(r)}, {big.NewInt(0), someScalar(r)}, {someScalar(r), big.NewInt(0)},
			{big.NewInt(0), big.NewInt(0)}, {new(big.Int).Sub(bigL, big.NewInt(1)), new(big.Int).Sub(bigL, big.NewInt(1))},
		} {
			m, n := scalarOf(pair[0]), scalarOf(pair[1])
			got := combine(&m, newMultiples(p.point()), &n, newMultiples(q.point()))
			require.Equal(t, p.times(pair[0]).add(q.times(pair[1])).bytes(), got.bytes())
		}
	}
}
