package rsa

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func (x number) value() *big.Int {
	sum := new(big.Int)
	for i := len(x) - 1; i >= 0; i-- {
		sum.Lsh(sum, limbBits).Or(sum, big.NewInt(int64(x[i])))
	}
	return sum
}

func (m *modulus) number(v *big.Int) number {
	x := make(number, len(m.n))
	x.setBytes(v.Bytes())
	return x
}

// ones is 2^size - 1: every limb as large as can be, so every column, too.
func ones(size int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(size))
	return n.Sub(n, big.NewInt(1))
}

// someNumber has exactly as many bits, in long runs of the same in some.
func someNumber(r *rand.Rand, size int) *big.Int {
	n := big.NewInt(1)
	for n.BitLen() < size {
		run := uint(min(1+r.IntN(90), size-n.BitLen()))
		switch n.Lsh(n, run); r.IntN(3) {
		case 0:
			n.Or(n, ones(int(run)))
		case 1:
			n.Or(n, new(big.Int).Rsh(new(big.Int).SetBits([]big.Word{big.Word(r.Uint64()), big.Word(r.Uint64())}), 128-run))
		}
	}
	return n
}

func someModuli(r *rand.Rand, size int) []*big.Int {
	low := new(big.Int).Lsh(big.NewInt(1), uint(size-1))
	odd := someNumber(r, size)
	return []*big.Int{ones(size), low.SetBit(low, 0, 1), odd.SetBit(odd, 0, 1)}
}

func TestProducts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	sizes := append([]int{MaxBits - 1, MaxBits}, keySizes...)
	for range 40 {
		sizes = append(sizes, MinBits+r.IntN(MaxBits-MinBits+1))
	}
	for _, size := range sizes {
		for _, n := range someModuli(r, size) {
			m := newModulus(n.Bytes())
			double := new(big.Int).Lsh(n, 1)
			R := new(big.Int).Lsh(big.NewInt(1), uint(limbBits*len(m.n)))
			require.GreaterOrEqual(t, R.Cmp(new(big.Int).Lsh(n, 2)), 0)
			check := func(z number, want *big.Int) {
				t.Helper()
				got := z.value()
				require.Negative(t, got.Cmp(double), "below 2n")
				want.Mod(want.Mul(want, new(big.Int).ModInverse(R, n)), n)
				require.Zero(t, want.Cmp(got.Mod(got, n)), "%d bits", size)
			}
			require.Zero(t, new(big.Int).Mod(new(big.Int).Mul(R, R), n).Cmp(new(big.Int).Mod(m.rr.value(), n)))

			// Factors are below 2n.
			largest := new(big.Int).Sub(double, big.NewInt(1))
			factors := []*big.Int{largest, big.NewInt(0), big.NewInt(1), n}
			factors = append(factors, new(big.Int).Mod(someNumber(r, size+1), double), someNumber(r, size-1))
			for i, x := range factors {
				z := make(number, len(m.n))
				m.square(z, m.number(x))
				check(z, new(big.Int).Mul(x, x))
				y := factors[len(factors)-1-i]
				m.multiply(z, m.number(x), m.number(y))
				check(z, new(big.Int).Mul(x, y))
				m.multiply(z, m.number(x), m.number(largest))
				check(z, new(big.Int).Mul(x, largest))
				z = m.number(x)
				m.multiply(z, z, z)
				check(z, new(big.Int).Mul(x, x))
			}
		}
	}
}

func TestPower(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, size := range append([]int{MaxBits}, keySizes...) {
		for _, n := range someModuli(r, size) {
			m := newModulus(n.Bytes())
			z, form := make(number, len(m.n)), make(number, len(m.n))
			largest := new(big.Int).Sub(n, big.NewInt(1))
			for _, x := range []*big.Int{largest, big.NewInt(0), big.NewInt(1), big.NewInt(2), someNumber(r, size-1)} {
				for _, e := range []uint32{3, 5, 7, 65537, r.Uint32N(1<<31) | 1 | 4} {
					m.power(z, m.number(x), form, e)
					require.Zero(t, new(big.Int).Exp(x, big.NewInt(int64(e)), n).Cmp(z.value()), "%d bits, e %d", size, e)
				}
			}
		}
	}
}

func TestBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for size := MinBits; size <= MinBits+300; size++ {
		n := someNumber(r, size)
		m := &modulus{n: make(number, (size+limbBits-1)/limbBits+1)}
		x := m.number(n)
		require.Zero(t, n.Cmp(x.value()))
		b := make([]byte, (size+7)/8)
		x.fillBytes(b)
		require.True(t, bytes.Equal(n.Bytes(), b))
	}
}

func TestReduceOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, n := range someModuli(r, 2048) {
		m := newModulus(n.Bytes())
		check := func(v *big.Int) {
			x := m.number(v)
			m.reduceOnce(x)
			require.Zero(t, new(big.Int).Mod(v, n).Cmp(x.value()))
		}
		for off := int64(-2); off <= 2; off++ {
			check(new(big.Int).Add(n, big.NewInt(off)))
		}
		for i := range uint(2047) {
			bit := new(big.Int).Lsh(big.NewInt(1), i)
			check(new(big.Int).Add(n, bit))
			if bit.Cmp(n) < 0 {
				check(new(big.Int).Sub(n, bit))
			}
		}
	}
}
