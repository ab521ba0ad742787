package ed25519

import (
	std "crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
)

// verify asks both, and fails unless they agree.
func verify(t testing.TB, public []byte, message string, signature []byte) bool {
	t.Helper()
	want := std.Verify(public, []byte(message), signature)
	key, err := ParsePublicKey(public)
	got := err == nil && key.Verify(message, signature)
	require.Equal(t, want, got, "key %x, message %q, signature %x", public, message, signature)
	return got
}

// RFC 8032 section 7.1.
func TestVectors(t *testing.T) {
	for name, v := range map[string][3]string{ // public key, message, signature
		"1": {
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		"2": {
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
		"3": {
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		},
		"SHA(abc)": {
			"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
			"dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b [3][]byte
			for i := range v {
				var err error
				b[i], err = hex.DecodeString(v[i])
				require.NoError(t, err)
			}
			message := string(b[1])
			assert.True(t, verify(t, b[0], message, b[2]))
			assert.False(t, verify(t, b[0], message+".", b[2]))
			for i := range 8 * SignatureSize {
				b[2][i/8] ^= 1 << (i % 8)
				assert.False(t, verify(t, b[0], message, b[2]), "bit %d of the signature", i)
				b[2][i/8] ^= 1 << (i % 8)
			}
			for i := range 8 * PublicKeySize {
				b[0][i/8] ^= 1 << (i % 8)
				assert.False(t, verify(t, b[0], message, b[2]), "bit %d of the key", i)
				b[0][i/8] ^= 1 << (i % 8)
			}
		})
	}
}

func TestManyKeys(t *testing.T) {
	r := random()
	for i := range 300 {
		private := std.NewKeyFromSeed(slices.Repeat([]byte{byte(i), byte(i >> 8), byte(r.Uint32()), 7}, 8))
		message := string(make([]byte, i))
		signature := std.Sign(private, []byte(message))
		public := private.Public().(std.PublicKey)
		assert.True(t, verify(t, public, message, signature))

		// The same S, and another that is the same modulo L: malleable where S is not compared with L.
		s := fromLittleEndian(signature[32:])
		for s.Add(s, bigL); s.BitLen() <= 256; s.Add(s, bigL) {
			more := littleEndian(s)
			assert.False(t, verify(t, public, message, append(slices.Clone(signature[:32]), more[:]...)))
		}
	}
}

// encodings are all of a number's: also those with p added, and of a point with x = 0 also that with a negative 0.
func encodings(p affinePoint) (all [][]byte) {
	limit := new(big.Int).Lsh(big.NewInt(1), 255)
	for y := new(big.Int).Set(p.y); y.Cmp(limit) < 0; y.Add(y, bigP) {
		for sign := range byte(2) {
			if p.x.Sign() != 0 && uint(sign) != p.x.Bit(0) {
				continue
			}
			b := littleEndian(y)
			b[31] |= sign << 7
			all = append(all, b[:])
		}
	}
	return all
}

// Keys and R of small order, in every encoding, with several S: what a signature of zeros would be.
func TestSmallOrder(t *testing.T) {
	var points [][]byte
	for _, p := range torsion {
		points = append(points, encodings(p)...)
	}
	require.Len(t, points, 14, "8 points, and 6 encodings that are not canonical")
	accepted, refused := 0, 0
	for _, public := range points {
		for _, r := range points {
			for _, s := range []*big.Int{big.NewInt(0), big.NewInt(8), bigL, new(big.Int).Sub(bigL, big.NewInt(1))} {
				for message := range 4 {
					encoded := littleEndian(s)
					if verify(t, public, strconv.Itoa(message), append(slices.Clone(r), encoded[:]...)) {
						accepted++
					} else {
						refused++
					}
				}
			}
		}
	}
	assert.Greater(t, accepted, 50)
	assert.Greater(t, refused, 50)
}

// A key with a part of small order: the equation without the cofactor holds for some messages and not for others,
// depending on what is left of the hash modulo L.
func TestMixedOrder(t *testing.T) {
	a, nonce := number("123456789012345678901234567890"), number("987654321098765432109876543210")
	accepted, refused := 0, 0
	for i, small := range torsion {
		public := bigBase.times(a).add(small).bytes()
		for j := range 8 {
			r := bigBase.times(nonce).add(torsion[j]).bytes()
			for k := range 4 {
				message := strconv.Itoa(k)
				h := sha512.Sum512(slices.Concat(r[:], public[:], []byte(message)))
				s := fromLittleEndian(h[:])
				s.Mod(s.Add(s.Mul(s, a), nonce), bigL)
				encoded := littleEndian(s)
				if verify(t, public[:], message, append(slices.Clone(r[:]), encoded[:]...)) {
					accepted++
				} else {
					refused++
					require.False(t, i == 0 && j == 0, "a proper signature")
				}
			}
		}
	}
	assert.Greater(t, accepted, 10)
	assert.Greater(t, refused, 10)
}

// Every y around 0 and p, with either sign: half of them are no points.
func TestKeysThatAreNoPoints(t *testing.T) {
	signature := make([]byte, SignatureSize)
	points := 0
	for _, from := range []*big.Int{big.NewInt(0), new(big.Int).Sub(bigP, big.NewInt(30))} {
		for y := range int64(49) {
			n := new(big.Int).Add(from, big.NewInt(y))
			b := littleEndian(n)
			_, want := withY(n)
			for range 2 {
				b[31] ^= 0x80
				verify(t, b[:], "", signature)
				_, err := ParsePublicKey(b[:])
				require.Equal(t, want, err == nil, "%x", b)
				if err == nil {
					points++
				}
			}
		}
	}
	assert.Greater(t, points, 50)
}

func TestSizes(t *testing.T) {
	for size := range 70 {
		_, err := ParsePublicKey(make([]byte, size))
		assert.Equal(t, size != PublicKeySize, err != nil, size)
	}
	key, err := ParsePublicKey(torsion[0].point().encoded())
	require.NoError(t, err)
	signature := append(torsion[0].point().encoded(), make([]byte, 100)...)
	for size := range signature {
		assert.Equal(t, size == SignatureSize, key.Verify("", signature[:size]), size)
	}
}

func (p point) encoded() []byte { b := p.bytes(); return b[:] }

// What is accepted and what is not, crypto/ed25519 accepts and does not: of any bytes, and of a signature that was right
// before some of it was changed.
func FuzzVerify(f *testing.F) {
	f.Add(make([]byte, 32), "", make([]byte, 64))
	for _, p := range torsion {
		for _, encoded := range encodings(p) {
			f.Add(encoded, "message", append(slices.Clone(encoded), make([]byte, 32)...))
		}
	}
	f.Add([]byte{1}, "message", littleEndianL())
	f.Fuzz(func(t *testing.T, public []byte, message string, change []byte) {
		if len(public) == PublicKeySize {
			verify(t, public, message, change)
		}
		seed := sha512.Sum512_256(public)
		private := std.NewKeyFromSeed(seed[:])
		changed := append(std.Sign(private, []byte(message)), private.Public().(std.PublicKey)...)
		same := true
		for i, c := range change[:min(len(change), len(changed))] {
			changed[i] ^= c
			same = same && c == 0
		}
		require.Equal(t, same, verify(t, changed[64:], message, changed[:64]))
	})
}

// littleEndianL changes nothing of R and adds to S, bit by bit, what may be L.
func littleEndianL() []byte {
	b := littleEndian(bigL)
	return append(make([]byte, 32), b[:]...)
}

// BenchmarkVerify has the standard library's beside ours.
func BenchmarkVerify(b *testing.B) {
	budget.Time(b, verifies)
	private := std.NewKeyFromSeed(make([]byte, 32))
	public, message := private.Public().(std.PublicKey), make([]byte, 400)
	signature := std.Sign(private, message)
	b.Run("crypto", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			std.Verify(public, message, signature)
		}
	})
}

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Verify": verifies})
}

func verifies(b *budget.Runner) {
	private := std.NewKeyFromSeed(make([]byte, 32))
	public, message := private.Public().(std.PublicKey), string(make([]byte, 400))
	signature := std.Sign(private, []byte(message))
	key, err := ParsePublicKey(public)
	require.NoError(b, err)
	b.Op("ours", func() {
		if !key.Verify(message, signature) {
			b.Fatal("refused")
		}
	})
	b.Op("parse", func() {
		if _, err := ParsePublicKey(public); err != nil {
			b.Fatal(err)
		}
	})
}
