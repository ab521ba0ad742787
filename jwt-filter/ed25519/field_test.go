package ed25519

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rounds = 10_000

// same asserts that e is want modulo p, and carried.
func same(t *testing.T, want *big.Int, e *element, what string) {
	t.Helper()
	require.Zero(t, mod(new(big.Int).Set(want)).Cmp(mod(value(e))), what)
	for i := range e {
		require.LessOrEqual(t, max(e[i], -e[i]), carriedLimit(i), "%s: limb %d", what, i)
	}
}

// The largest limbs that are allowed neither overflow nor give a result that is not carried.
func TestProducts(t *testing.T) {
	r := random()
	for range rounds {
		x, y := extreme(r, 4), extreme(r, 4)
		var z element
		z.mul(&x, &y)
		same(t, new(big.Int).Mul(value(&x), value(&y)), &z, "mul")
		z.square(&x)
		same(t, new(big.Int).Mul(value(&x), value(&x)), &z, "square")
		z = x
		z.mul(&z, &z)
		same(t, new(big.Int).Mul(value(&x), value(&x)), &z, "mul in place")
	}
}

func TestPowers(t *testing.T) {
	r := random()
	two := big.NewInt(2)
	inverse := new(big.Int).Sub(bigP, two)
	root := new(big.Int).Rsh(bigP, 3)
	for range 100 {
		x := extreme(r, 4)
		var z element
		z.invert(&x)
		same(t, new(big.Int).Exp(value(&x), inverse, bigP), &z, "invert")
		z.powRoot(&x)
		same(t, new(big.Int).Exp(value(&x), root, bigP), &z, "powRoot")
	}
	var z element
	z.invert(&zero)
	assert.True(t, z.isZero())
}

func TestConstants(t *testing.T) {
	same(t, bigD, &curveD, "d")
	same(t, new(big.Int).Lsh(bigD, 1), &curve2D, "2d")
	var z element
	z.square(&sqrtM1)
	same(t, big.NewInt(-1), &z, "the square of the square root of -1")
}

// Each number has one encoding, whichever form it is in.
func TestBytes(t *testing.T) {
	check := func(e *element) {
		t.Helper()
		want := mod(value(e))
		require.Equal(t, littleEndian(want), e.bytes())
		require.Equal(t, want.Sign() == 0, e.isZero())
		require.Equal(t, want.Bit(0) == 1, e.isNegative())
	}
	r := random()
	for range rounds {
		e := extreme(r, 4)
		check(&e)
	}
	// Around multiples of p, in forms with and without signs.
	var p element
	for i := range p {
		_, size := position(i)
		p[i] = 1<<size - 1
	}
	p[0] -= 18
	require.Zero(t, bigP.Cmp(value(&p)))
	for times := int32(-3); times <= 3; times++ {
		for off := int32(-40); off <= 40; off++ {
			e := element{off}
			for i := range e {
				e[i] += times * p[i]
			}
			check(&e)
			e[9] -= 1 << 25
			e[0] += 19
			check(&e)
		}
	}
}

func TestSetBytes(t *testing.T) {
	r := random()
	for range rounds {
		var b [32]byte
		for i := range b {
			if b[i] = byte(r.Uint32()); r.IntN(2) == 0 {
				b[i] = 0xff
			}
		}
		var e element
		e.setBytes(&b)
		b[31] &= 0x7f
		require.Zero(t, fromLittleEndian(b[:]).Cmp(value(&e)))
		same(t, value(&e), &e, "setBytes")
	}
}
