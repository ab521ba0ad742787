package ecdsa_test

import (
	stdlib "crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/jwt-filter/ecdsa"
)

// on is a curve here and in the standard library, with the size of the digests that JWS signs on it.
type on struct {
	curve  *ecdsa.Curve
	std    elliptic.Curve
	digest int
}

func curves() map[string]on {
	return map[string]on{
		"P-256": {ecdsa.P256(), elliptic.P256(), 32},
		"P-384": {ecdsa.P384(), elliptic.P384(), 48},
		"P-521": {ecdsa.P521(), elliptic.P521(), 64},
	}
}

func forEachCurve(t *testing.T, test func(t *testing.T, c on)) {
	t.Helper()
	for name, c := range curves() {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

func (c on) size() int { return (c.std.Params().BitSize + 7) / 8 }

// fixed is a signature as JWS has it.
func (c on) fixed(r, s *big.Int) []byte {
	return append(r.FillBytes(make([]byte, c.size())), s.FillBytes(make([]byte, c.size()))...)
}

func (c on) generate(t testing.TB) (*stdlib.PrivateKey, ecdsa.PublicKey) {
	t.Helper()
	private, err := stdlib.GenerateKey(c.std, rand.Reader)
	require.NoError(t, err)
	return private, c.key(t, private)
}

func (c on) key(t testing.TB, private *stdlib.PrivateKey) ecdsa.PublicKey {
	t.Helper()
	point, err := private.PublicKey.Bytes()
	require.NoError(t, err)
	key, err := c.curve.Key(point)
	require.NoError(t, err)
	return key
}

// What the standard library signs verifies, and of whatever is changed both say the same.
func TestAgainstStandardLibrary(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c on) {
		random := mathrand.New(mathrand.NewPCG(1, 2))
		private, key := c.generate(t)
		_, other := c.generate(t)
		n := c.std.Params().N
		accepted := 0
		for range 60 {
			digest := make([]byte, c.digest)
			_, _ = rand.Read(digest)
			r, s, err := stdlib.Sign(rand.Reader, private, digest)
			require.NoError(t, err)
			require.True(t, key.Verify(digest, c.fixed(r, s)))
			require.False(t, other.Verify(digest, c.fixed(r, s)))

			switch random.IntN(6) {
			case 0: // also a signature
				s = new(big.Int).Sub(n, s)
			case 1:
				digest[random.IntN(len(digest))] ^= 1 << random.IntN(8)
			case 2:
				r = new(big.Int).Add(r, big.NewInt(1))
			case 3:
				s = new(big.Int).Add(s, big.NewInt(1))
			case 4:
				r, s = s, r
			case 5:
				r = new(big.Int).Sub(n, r)
			}
			want := stdlib.Verify(&private.PublicKey, digest, r, s)
			require.Equal(t, want, key.Verify(digest, c.fixed(r, s)))
			if want {
				accepted++
			}
		}
		assert.Positive(t, accepted)
	})
}

// Digests of all sizes that fit, among them some of zeros and some beyond the order.
func TestDigests(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c on) {
		private, key := c.generate(t)
		for length := 1; 8*length <= c.std.Params().BitSize; length++ {
			for _, fill := range []byte{0, 1, 0xff} {
				digest := slices.Repeat([]byte{fill}, length)
				r, s, err := stdlib.Sign(rand.Reader, private, digest)
				require.NoError(t, err)
				require.True(t, key.Verify(digest, c.fixed(r, s)), "%d of %d", length, fill)
			}
		}
		digest := slices.Repeat([]byte{1}, c.std.Params().BitSize/8+1)
		r, s, err := stdlib.Sign(rand.Reader, private, digest)
		require.NoError(t, err)
		assert.False(t, key.Verify(digest, c.fixed(r, s)), "longer, which JWS has none of")
	})
}

// r and s are from 1 to n-1, and as long as they have to be.
func TestRanges(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c on) {
		private, key := c.generate(t)
		digest := make([]byte, c.digest)
		_, _ = rand.Read(digest)
		r, s, err := stdlib.Sign(rand.Reader, private, digest)
		require.NoError(t, err)
		n, one, zero := c.std.Params().N, big.NewInt(1), new(big.Int)
		room := new(big.Int).Lsh(one, uint(8*c.size()))
		for _, bad := range [][2]*big.Int{{zero, s}, {r, zero}, {zero, zero}, {n, s}, {r, n}, {n, n}, {new(big.Int).Add(r, n), s}, {r, new(big.Int).Add(s, n)}} {
			if bad[0].Cmp(room) < 0 && bad[1].Cmp(room) < 0 {
				assert.False(t, key.Verify(digest, c.fixed(bad[0], bad[1])), "%x, %x", bad[0], bad[1])
			}
		}
		signature := c.fixed(r, s)
		assert.False(t, key.Verify(digest, signature[1:]))
		assert.False(t, key.Verify(digest, append(signature, 0)))
		assert.False(t, key.Verify(digest, append([]byte{0, 0}, signature...)))
		assert.False(t, key.Verify(digest, nil))

		for number, want := range map[*big.Int]bool{
			zero: false, one: true, new(big.Int).Sub(n, one): true, n: false, new(big.Int).Add(n, one): false,
			new(big.Int).Sub(room, one): false,
		} {
			assert.Equal(t, want, c.curve.InRange(number.FillBytes(make([]byte, c.size()))), "%x", number)
		}
		assert.False(t, c.curve.InRange(nil))
		assert.False(t, c.curve.InRange(append([]byte{1}, make([]byte, c.size())...)), "longer")
		assert.True(t, c.curve.InRange(append([]byte{0, 0}, one.FillBytes(make([]byte, c.size()))...)), "zeros in front")
	})
}

// The two products are one another's negative, so that their sum is infinity, or the same point, which is added to itself.
func TestSumsOfEquals(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c on) {
		private, key := c.generate(t)
		n, size := c.std.Params().N, c.size()
		d := private.D //nolint:staticcheck // to make a signature that nobody would
		for range 10 {
			k, err := stdlib.GenerateKey(c.std, rand.Reader)
			require.NoError(t, err)
			point, err := k.PublicKey.Bytes()
			require.NoError(t, err)
			r := new(big.Int).SetBytes(point[1 : 1+size])
			r.Mod(r, n)
			e := new(big.Int).Mul(r, d)
			e.Mod(e, n)
			if e.BitLen() > 8*c.digest { // no digest is that long
				continue
			}
			digest := e.FillBytes(make([]byte, size))
			// s = (e + rd) / k
			s := new(big.Int).ModInverse(k.D, n) //nolint:staticcheck // as above
			s.Mul(s, new(big.Int).Add(e, e)).Mod(s, n)
			require.True(t, key.Verify(digest, c.fixed(r, s)), "the same point twice")

			digest = new(big.Int).Sub(n, e).FillBytes(make([]byte, size))
			require.False(t, key.Verify(digest, c.fixed(r, s)), "infinity")
		}
	})
}

// Signatures that nobody could make for a given key, but anybody for a key made for them: of points whose x is beyond the order, which
// r is then less than, and of digests beyond it. The key is Q = (R - u1 G) / u2.
func TestMadeKeys(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c on) {
		n, p, size := c.std.Params().N, c.std.Params().P, c.size()
		digests := [][]byte{make([]byte, c.digest), slices.Repeat([]byte{0xff}, c.digest), slices.Repeat([]byte{0x5a}, c.digest)}
		if c.digest == size {
			digests = append(digests, n.Bytes(), new(big.Int).Add(n, big.NewInt(1)).Bytes())
		}
		beyond := 0
		for _, x := range append(c.abscissas(n, 3), append(c.abscissas(big.NewInt(1), 3), c.abscissas(new(big.Int).Sub(n, big.NewInt(40)), 3)...)...) {
			if x.Cmp(n) > 0 {
				beyond++
			}
			for _, digest := range digests {
				for _, s := range []*big.Int{big.NewInt(1), big.NewInt(2), new(big.Int).Sub(n, big.NewInt(1)), new(big.Int).Rsh(n, 1)} {
					r := new(big.Int).Mod(x, n)
					w := new(big.Int).ModInverse(s, n)
					u1 := new(big.Int).Mul(new(big.Int).SetBytes(digest), w)
					u2 := new(big.Int).Mul(r, w)
					qx, qy := x, c.ordinate(x)
					if u1.Mod(u1, n).Sign() != 0 {
						gx, gy := c.std.ScalarBaseMult(u1.Bytes())              //nolint:staticcheck // any point is wanted
						qx, qy = c.std.Add(qx, qy, gx, new(big.Int).Sub(p, gy)) //nolint:staticcheck // as above
					}
					qx, qy = c.std.ScalarMult(qx, qy, u2.ModInverse(u2.Mod(u2, n), n).Bytes()) //nolint:staticcheck // as above
					point := append([]byte{4}, c.fixed(qx, qy)...)
					std, err := stdlib.ParseUncompressedPublicKey(c.std, point)
					require.NoError(t, err)
					key, err := c.curve.Key(point)
					require.NoError(t, err)
					require.True(t, stdlib.Verify(std, digest, r, s))
					require.True(t, key.Verify(digest, c.fixed(r, s)), "x = %x", x)
				}
			}
		}
		assert.Positive(t, beyond)
	})
}

// abscissas are the x of the first points from a number on.
func (c on) abscissas(from *big.Int, count int) (list []*big.Int) {
	for x := new(big.Int).Set(from); len(list) < count; x = new(big.Int).Add(x, big.NewInt(1)) {
		if c.ordinate(x) != nil && new(big.Int).Mod(x, c.std.Params().N).Sign() != 0 {
			list = append(list, x)
		}
	}
	return list
}

// ordinate is a y of a point, nil if there is none: y^2 = x^3 - 3x + b.
func (c on) ordinate(x *big.Int) *big.Int {
	p := c.std.Params().P
	y := new(big.Int).Exp(x, big.NewInt(3), p)
	y.Sub(y, new(big.Int).Mul(big.NewInt(3), x)).Add(y, c.std.Params().B).Mod(y, p)
	return y.ModSqrt(y, p)
}

func TestPoints(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c on) {
		private, _ := c.generate(t)
		point, err := private.PublicKey.Bytes()
		require.NoError(t, err)
		size := c.size()
		change := func(at int, to byte) []byte {
			b := slices.Clone(point)
			b[at] = to
			return b
		}
		p := c.std.Params().P
		for name, bad := range map[string][]byte{
			"nothing":        {},
			"infinity":       {0},
			"long infinity":  make([]byte, len(point)),
			"compressed":     append([]byte{2 + point[2*size]&1}, point[1:1+size]...),
			"hybrid":         change(0, 6+point[2*size]&1),
			"not on it":      change(2*size, point[2*size]^1),
			"zeros":          append([]byte{4}, make([]byte, 2*size)...),
			"too long":       append(slices.Clone(point), 0),
			"too short":      point[:2*size],
			"x is the prime": append(append([]byte{4}, p.FillBytes(make([]byte, size))...), point[1+size:]...),
		} {
			key, err := c.curve.Key(bad)
			assert.Error(t, err, name)
			assert.Nil(t, key, name)
		}
	})
}

func FuzzVerify(f *testing.F) {
	keys := map[string]ecdsa.PublicKey{}
	privates := map[string]*stdlib.PrivateKey{}
	for name, c := range curves() { // the same keys in each process
		private, err := stdlib.ParseRawPrivateKey(c.std, slices.Repeat([]byte{1}, c.size()))
		require.NoError(f, err)
		privates[name], keys[name] = private, c.key(f, private)
	}
	f.Add(uint8(0), []byte("digest"), []byte{1}, []byte{2})
	f.Fuzz(func(t *testing.T, which uint8, digest, r, s []byte) {
		name := []string{"P-256", "P-384", "P-521"}[which%3]
		c := curves()[name]
		if len(digest) == 0 || 8*len(digest) > c.std.Params().BitSize || len(r) > c.size() || len(s) > c.size() {
			return
		}
		x, y := new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)
		require.Equal(t, stdlib.Verify(&privates[name].PublicKey, digest, x, y), keys[name].Verify(digest, c.fixed(x, y)))
		inRange := x.Sign() > 0 && x.Cmp(c.std.Params().N) < 0
		require.Equal(t, inRange, c.curve.InRange(r))
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, c := range curves() {
		b.Run(name, func(b *testing.B) {
			private, key := c.generate(b)
			digest := make([]byte, c.digest)
			r, s, err := stdlib.Sign(rand.Reader, private, digest)
			require.NoError(b, err)
			signature := c.fixed(r, s)
			for b.Loop() {
				key.Verify(digest, signature)
			}
		})
	}
}
