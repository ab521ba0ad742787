package ed25519

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (s *scalar) value() *big.Int {
	sum := new(big.Int)
	for i := range s {
		sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(s[i])), uint(32*i)))
	}
	return sum
}

func scalarOf(n *big.Int) (s scalar) {
	b := littleEndian(n)
	if !s.setCanonical(b[:]) {
		panic("not below L")
	}
	return s
}

// someScalar is a random number below L, with long runs of the same bits in some.
func someScalar(r *rand.Rand) *big.Int {
	n := new(big.Int)
	for n.BitLen() < 256 {
		run, bit := uint(1+r.IntN(30)), uint(r.IntN(2))
		n.Lsh(n, run)
		if bit == 1 {
			n.Add(n, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), run), big.NewInt(1)))
		} else if n.Sign() == 0 {
			n.SetInt64(1)
		}
	}
	return n.Mod(n, bigL)
}

func TestReduce(t *testing.T) {
	limit := new(big.Int).Lsh(big.NewInt(1), 512)
	check := func(n *big.Int) {
		t.Helper()
		if n.Sign() < 0 || n.Cmp(limit) >= 0 {
			return
		}
		var b [64]byte
		n.FillBytes(b[:])
		slices.Reverse(b[:])
		var s scalar
		s.reduce(&b)
		require.Zero(t, new(big.Int).Mod(n, bigL).Cmp(s.value()), n)
	}
	r := random()
	near := func(n *big.Int) {
		t.Helper()
		for off := int64(-2); off <= 2; off++ {
			check(new(big.Int).Add(n, big.NewInt(off)))
		}
	}
	for shift := range uint(513) {
		near(new(big.Int).Lsh(big.NewInt(1), shift))
		near(new(big.Int).Lsh(bigL, shift))
	}
	for range rounds {
		n := new(big.Int).Lsh(someScalar(r), uint(r.IntN(270)))
		check(n.Add(n, someScalar(r)))
		near(new(big.Int).Mul(bigL, someScalar(r)))
	}
}

func TestSetCanonical(t *testing.T) {
	check := func(n *big.Int) {
		t.Helper()
		b := littleEndian(n)
		var s scalar
		require.Equal(t, n.Cmp(bigL) < 0, s.setCanonical(b[:]), n)
	}
	for off := int64(-3); off <= 3; off++ {
		check(new(big.Int).Add(bigL, big.NewInt(off)))
		check(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 252), big.NewInt(off)))
	}
	for i := range uint(256) {
		bit := new(big.Int).Lsh(big.NewInt(1), i)
		check(bit)
		if sum := new(big.Int).Add(bigL, bit); sum.BitLen() <= 256 {
			check(sum)
		}
		if bit.Cmp(bigL) < 0 {
			check(new(big.Int).Sub(bigL, bit))
		}
	}
}

func TestRecode(t *testing.T) {
	r := random()
	for range rounds {
		s := scalarOf(someScalar(r))
		sum, nonzero := new(big.Int), -window
		for i, d := range s.recode() {
			if d == 0 {
				continue
			}
			require.True(t, d&1 != 0 && -16 < d && d < 16, d)
			require.GreaterOrEqual(t, i-nonzero, window, "two digits are closer to each other than a window")
			nonzero = i
			sum.Add(sum, new(big.Int).Lsh(big.NewInt(int64(d)), uint(i)))
		}
		assert.Zero(t, s.value().Cmp(sum))
	}
}
