package rsa

import (
	"crypto"
	std "crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// testKey is a key that can sign anything, also what no honest signer would. It is made of primes of about 256 bits:
// no good, but quick.
type testKey struct {
	*PublicKey
	std    *std.PublicKey
	primes []signingPrime
}

// signingPrime is what is needed to sign modulo a prime p, and to put a signature together of what that gives.
type signingPrime struct {
	p, d *big.Int
	unit *big.Int // 1 modulo p, and 0 modulo the other primes
}

// newKey makes the same key in every process.
func newKey(t testing.TB, size, e int) testKey {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(size), uint64(e)))
	n, exponent := big.NewInt(1), big.NewInt(int64(e))
	var primes []signingPrime
	for n.BitLen() < size {
		// The last one makes n a number of just so many bits: from 2^(size-1)/n, by less than a quarter of that.
		from := new(big.Int).Lsh(big.NewInt(1), 255)
		if left := size - n.BitLen(); left < 500 {
			from = new(big.Int).Lsh(big.NewInt(1), uint(size-1))
			from.Div(from, n)
			if left > 300 {
				from.Sqrt(from)
			}
			from.Add(from, big.NewInt(1))
		}
		p := prime(r, from, exponent)
		n.Mul(n, p)
		primes = append(primes, signingPrime{p: p, d: new(big.Int).ModInverse(exponent, new(big.Int).Sub(p, big.NewInt(1)))})
	}
	require.Equal(t, size, n.BitLen())
	for i := range primes {
		others := new(big.Int).Div(n, primes[i].p)
		primes[i].unit = others.Mul(others, new(big.Int).ModInverse(others, primes[i].p))
	}
	key, err := ParsePublicKey(n.Bytes(), e)
	require.NoError(t, err)
	return testKey{key, &std.PublicKey{N: n, E: e}, primes}
}

// prime is one from a number on, by less than a quarter of that, with p-1 that has no factor in common with e.
func prime(r *rand.Rand, from, e *big.Int) *big.Int {
	p := new(big.Int)
	for range from.BitLen()/64 + 1 {
		p.Lsh(p, 64).Or(p, new(big.Int).SetUint64(r.Uint64()))
	}
	p.Mod(p, new(big.Int).Rsh(from, 2)).Add(p, from).SetBit(p, 0, 1)
	one := big.NewInt(1)
	for ; !p.ProbablyPrime(0) || new(big.Int).GCD(nil, nil, e, new(big.Int).Sub(p, one)).Cmp(one) != 0; p.Add(p, big.NewInt(2)) {
	}
	return p
}

// sign gives the signature whose encoded message is this, as long as the modulus.
func (k testKey) sign(encoded []byte) []byte {
	m, s := new(big.Int).SetBytes(encoded), new(big.Int)
	for _, q := range k.primes {
		part := new(big.Int).Exp(m, q.d, q.p)
		s.Add(s, part.Mul(part, q.unit))
	}
	return s.Mod(s, k.std.N).FillBytes(make([]byte, k.Size()))
}

// schemes are both, ours and crypto/rsa's.
var schemes = map[string]struct {
	ours func(k testKey, h crypto.Hash, digest, signature []byte) bool
	std  func(k testKey, h crypto.Hash, digest, signature []byte) bool
}{
	"PKCS1v15": {
		func(k testKey, h crypto.Hash, digest, signature []byte) bool {
			return k.VerifyPKCS1v15(h, digest, signature)
		},
		func(k testKey, h crypto.Hash, digest, signature []byte) bool {
			return std.VerifyPKCS1v15(k.std, h, digest, signature) == nil
		},
	},
	"PSS": {
		func(k testKey, h crypto.Hash, digest, signature []byte) bool {
			return k.VerifyPSS(h, digest, signature)
		},
		func(k testKey, h crypto.Hash, digest, signature []byte) bool {
			return std.VerifyPSS(k.std, h, digest, signature, &std.PSSOptions{SaltLength: std.PSSSaltLengthEqualsHash}) == nil
		},
	},
}

// verify asks both, and fails unless they agree.
func (k testKey) verify(t testing.TB, scheme string, h crypto.Hash, digest, signature []byte) bool {
	t.Helper()
	s := schemes[scheme]
	before := string(signature)
	got := s.ours(k, h, digest, signature)
	require.Equal(t, before, string(signature), "the signature was changed")
	require.Equal(t, s.std(k, h, digest, signature), got,
		"%s %v, %d bits, e %d, digest %x, signature %x", scheme, h, k.std.N.BitLen(), k.std.E, digest, signature)
	return got
}
