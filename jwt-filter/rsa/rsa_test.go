package rsa

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/budget"
)

var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

func digestOf(h crypto.Hash, message string) []byte {
	w := h.New()
	w.Write([]byte(message))
	return w.Sum(nil)
}

// encodePKCS1v15 is EMSA-PKCS1-v1_5 with a padding of any length.
func encodePKCS1v15(size int, info string, digest []byte) []byte {
	encoded := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(info)-len(digest)), []byte{0}, []byte(info), digest)
	return encoded
}

// encodePSS is EMSA-PSS (RFC 8017 section 9.1.1) with any salt, in as many bytes as the modulus has. change is applied to DB
// before it is masked, padding's end is what stands before the salt.
func encodePSS(size int, h crypto.Hash, digest, salt []byte, change func(db []byte)) []byte {
	emLen := (size + 6) / 8
	hash := func(parts ...[]byte) []byte { return digestOf(h, string(slices.Concat(parts...))) }
	seed := hash(make([]byte, 8), digest, salt)
	db := make([]byte, emLen-len(seed)-1)
	copy(db[len(db)-len(salt):], salt)
	db[len(db)-len(salt)-1] = 1
	if change != nil {
		change(db)
	}
	var mask []byte
	for i := uint32(0); len(mask) < len(db); i++ {
		mask = append(mask, hash(seed, binary.BigEndian.AppendUint32(nil, i))...)
	}
	for i := range db {
		db[i] ^= mask[i]
	}
	db[0] &= 0xff >> (8*emLen - (size - 1))
	return append(make([]byte, (size+7)/8-emLen), slices.Concat(db, seed, []byte{0xbc})...)
}

// encode is the right encoding for a scheme.
func encode(scheme string, size int, h crypto.Hash, digest []byte) []byte {
	if scheme == "PSS" {
		return encodePSS(size, h, digest, digestOf(h, "salt"), nil)
	}
	return encodePKCS1v15((size+7)/8, digestInfo(h), digest)
}

// Whole bytes and not, and for 76, 80, 84, 112 and 116 limbs the most bits that these can be of, and the fewest.
var keySizes = []int{2048, 2049, 2050, 2055, 2056, 2057, 2126, 2127, 2238, 2239, 3072, 3134, 3135, 4096, 5000}

func TestSizesAndExponents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range keySizes {
		for _, e := range []int{3, 65537, 1<<31 - 1} {
			if size > 3100 && e != 65537 && size != 4096 {
				continue
			}
			k := newKey(t, size, e)
			assert.Equal(t, (size+7)/8, k.Size())
			for scheme := range schemes {
				for _, h := range hashes {
					digest := digestOf(h, "message")
					encoded := encode(scheme, size, h, digest)
					signature := k.sign(encoded)
					assert.True(t, k.verify(t, scheme, h, digest, signature), "%s %v, %d bits, e %d", scheme, h, size, e)

					other := hashes[(slices.Index(hashes, h)+1)%3]
					assert.False(t, k.verify(t, scheme, other, digestOf(other, "message"), signature), "another hash")
					assert.False(t, k.verify(t, scheme, h, digestOf(h, "message."), signature), "another message")
					assert.False(t, k.verify(t, scheme, h, digest[1:], signature), "a short digest")
					short := k.sign(encode(scheme, size, h, digest[1:]))
					assert.False(t, k.verify(t, scheme, h, digest[1:], short), "a short digest, as it was signed")
					at := r.IntN(len(signature))
					signature[at] ^= 1 << r.IntN(8)
					assert.False(t, k.verify(t, scheme, h, digest, signature), "another signature")
				}
			}
		}
	}
}

// The largest keys: quick enough with a few signatures.
func TestLargestKey(t *testing.T) {
	k := newKey(t, MaxBits, 65537)
	digest := digestOf(crypto.SHA512, "message")
	for scheme := range schemes {
		signature := k.sign(encode(scheme, MaxBits, crypto.SHA512, digest))
		assert.True(t, k.verify(t, scheme, crypto.SHA512, digest, signature))
		signature[7]++
		assert.False(t, k.verify(t, scheme, crypto.SHA512, digest, signature))
	}
}

// Every byte of what was signed counts: the signer is an attacker who has the key and would like a second form.
func TestEveryByteOfTheEncoding(t *testing.T) {
	for _, size := range []int{2048, 2049} { // 2049: PSS leaves the first byte unused
		k := newKey(t, size, 3)
		for scheme := range schemes {
			h := crypto.SHA256
			digest := digestOf(h, "message")
			encoded := encode(scheme, size, h, digest)
			for i := range encoded {
				for _, change := range []byte{1, 0x80, 0xff} {
					changed := slices.Clone(encoded)
					changed[i] ^= change
					if new(big.Int).SetBytes(changed).Cmp(k.std.N) >= 0 {
						continue // not to be had as a result modulo n
					}
					assert.False(t, k.verify(t, scheme, h, digest, k.sign(changed)), "%s, byte %d", scheme, i)
				}
			}
		}
	}
}

func TestForgedPadding(t *testing.T) {
	k := newKey(t, 2048, 3)
	h, size := crypto.SHA256, k.Size()
	digest := digestOf(h, "message")
	info := digestInfo(h)
	pad := func(n int) []byte { return bytes.Repeat([]byte{0xff}, n) }
	rest := func(b []byte) []byte { return append(b, make([]byte, size-len(b))...) }
	short := slices.Concat([]byte{0, 1}, pad(8), []byte{0}, []byte(info), digest)
	withoutNull := "\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"
	for name, encoded := range map[string][]byte{
		"short padding, garbage after the digest": rest(short), // CVE-2006-4339
		"block type 2":                      append([]byte{0, 2}, encodePKCS1v15(size, info, digest)[2:]...),
		"block type 0":                      slices.Concat(make([]byte, size-len(info)-len(digest)), []byte(info), digest),
		"no parameters in the DigestInfo":   encodePKCS1v15(size, withoutNull, digest),
		"no DigestInfo":                     encodePKCS1v15(size, "", digest),
		"DigestInfo of another hash":        encodePKCS1v15(size, digestInfo(crypto.SHA512), digest),
		"only ff before the digest":         slices.Concat([]byte{0, 1}, pad(size-2-len(digest)), digest),
		"a zero earlier in the padding":     slices.Concat([]byte{0, 1}, pad(20), []byte{0}, encodePKCS1v15(size, info, digest)[23:]),
		"without a zero after the padding":  slices.Concat([]byte{0, 1}, pad(size-2-len(info)-len(digest)), []byte(info), digest),
		"nothing":                           make([]byte, size),
		"the digest alone":                  slices.Concat(make([]byte, size-len(digest)), digest),
		"PSS":                               encode("PSS", 2048, h, digest),
		"one":                               append(make([]byte, size-1), 1),
		"PSS, with a padding that is not 0": encodePSS(2048, h, digest, digestOf(h, "salt"), func(db []byte) { db[10] = 1 }),
		"PSS, without a 1":                  encodePSS(2048, h, digest, digestOf(h, "salt"), func(db []byte) { db[len(db)-33] = 0 }),
		"PSS, with another salt than hashed": encodePSS(2048, h, digest, digestOf(h, "salt"), func(db []byte) {
			db[len(db)-1] ^= 1
		}),
	} {
		signature := k.sign(encoded)
		for scheme := range schemes {
			assert.Equal(t, name == "PSS" && scheme == "PSS", k.verify(t, scheme, h, digest, signature), "%s as %s", name, scheme)
		}
	}
	for length := range 200 {
		signature := k.sign(encodePSS(2048, h, digest, make([]byte, length), nil))
		assert.Equal(t, length == h.Size(), k.verify(t, "PSS", h, digest, signature), "a salt of %d bytes", length)
	}
}

// PSS has one bit less than the modulus, and that bit is not masked: set, it would make a second form of each signature.
func TestUnusedBit(t *testing.T) {
	for _, size := range []int{2048, 2049, 2050, 2055} {
		k := newKey(t, size, 65537)
		digest := digestOf(crypto.SHA256, "message")
		for i := byte(0); ; i++ { // until the result is below n
			salt := bytes.Repeat([]byte{i}, 32)
			encoded := encodePSS(size, crypto.SHA256, digest, salt, nil)
			assert.True(t, k.verify(t, "PSS", crypto.SHA256, digest, k.sign(encoded)))
			changed := new(big.Int).SetBytes(encoded)
			if changed.SetBit(changed, size-1, 1).Cmp(k.std.N) >= 0 {
				continue
			}
			signature := k.sign(changed.FillBytes(make([]byte, k.Size())))
			assert.False(t, k.verify(t, "PSS", crypto.SHA256, digest, signature), "%d bits", size)
			break
		}
	}
}

// Representatives of the same number, and numbers that are their own signature.
func TestRepresentatives(t *testing.T) {
	k := newKey(t, 2048, 65537)
	digest := digestOf(crypto.SHA256, "message")
	for scheme := range schemes {
		signature := k.sign(encode(scheme, 2048, crypto.SHA256, digest))
		refused := map[string][]byte{
			"nothing": nil, "zero": make([]byte, k.Size()), "n": k.std.N.Bytes(), "a byte more": append([]byte{0}, signature...),
			"a byte less": signature[1:], "all ones": bytes.Repeat([]byte{0xff}, k.Size()),
			"n-1": new(big.Int).Sub(k.std.N, big.NewInt(1)).Bytes(),
			"n-s": new(big.Int).Sub(k.std.N, new(big.Int).SetBytes(signature)).FillBytes(make([]byte, k.Size())),
		}
		if more := new(big.Int).Add(k.std.N, new(big.Int).SetBytes(signature)); more.BitLen() <= 8*k.Size() {
			refused["s+n"] = more.Bytes()
		}
		for name, s := range refused {
			assert.False(t, k.verify(t, scheme, crypto.SHA256, digest, s), "%s, %s", scheme, name)
		}
		// The key's scratch holds nothing over.
		assert.True(t, k.verify(t, scheme, crypto.SHA256, digest, signature))
	}
}

func TestUnknownHash(t *testing.T) {
	k := newKey(t, 2048, 65537)
	for _, h := range []crypto.Hash{0, crypto.SHA1, crypto.SHA224, crypto.MD5} {
		digest := make([]byte, 20)
		signature := k.sign(encodePKCS1v15(k.Size(), "", digest))
		assert.False(t, k.VerifyPKCS1v15(h, digest, signature), h)
		assert.False(t, k.VerifyPSS(h, digest, signature), h)
	}
}

func TestParsePublicKey(t *testing.T) {
	modulus := func(size int) []byte { // 2^(size-1) + 1
		n := new(big.Int).Lsh(big.NewInt(1), uint(size-1))
		return n.SetBit(n, 0, 1).Bytes()
	}
	for _, size := range []int{MinBits, MinBits + 1, 3000, MaxBits - 1, MaxBits} {
		for _, e := range []int{3, 5, 65537, 1<<31 - 1} {
			_, err := ParsePublicKey(modulus(size), e)
			assert.NoError(t, err)
		}
	}
	for name, k := range map[string]struct {
		n []byte
		e int
	}{
		"no modulus":      {nil, 3},
		"zero":            {make([]byte, 256), 3},
		"short":           {modulus(MinBits - 1), 3},
		"long":            {modulus(MaxBits + 1), 3},
		"even":            {append(modulus(MinBits)[:255], 2), 3},
		"a leading zero":  {append([]byte{0}, modulus(MinBits)...), 3},
		"exponent 0":      {modulus(MinBits), 0},
		"exponent 1":      {modulus(MinBits), 1},
		"exponent 2":      {modulus(MinBits), 2},
		"negative":        {modulus(MinBits), -3},
		"exponent 65536":  {modulus(MinBits), 65536},
		"exponent 2^31+1": {modulus(MinBits), 1<<31 + 1},
	} {
		_, err := ParsePublicKey(k.n, k.e)
		assert.ErrorContains(t, err, "rsa: ", name)
	}
	n := modulus(MinBits)
	k, err := ParsePublicKey(n, 3)
	require.NoError(t, err)
	n[100]++
	assert.Equal(t, modulus(MinBits), k.n, "the caller's bytes are the caller's")
}

// What is accepted and what is not, crypto/rsa accepts and does not: of any bytes as a signature, of any bytes signed, and of
// a right encoding some of which was changed before it was signed.
func FuzzVerify(f *testing.F) {
	var keys []testKey
	for _, size := range []int{2048, 2049, 2304} {
		keys = append(keys, newKey(f, size, 3), newKey(f, size, 65537))
	}
	for i := range keys {
		for j := range hashes {
			f.Add(uint8(i), uint8(j), "message", []byte{}, uint16(0), uint8(32))
			f.Add(uint8(i), uint8(j), "message", []byte{1}, uint16(255), uint8(48))
			f.Add(uint8(i), uint8(j), "message", []byte{0, 2}, uint16(100), uint8(64))
		}
	}
	f.Fuzz(func(t *testing.T, key, hash uint8, message string, change []byte, at uint16, salt uint8) {
		k, h := keys[int(key)%len(keys)], hashes[int(hash)%len(hashes)]
		digest, size := digestOf(h, message), k.std.N.BitLen()
		raw := make([]byte, k.Size())
		copy(raw, change)
		for scheme := range schemes {
			k.verify(t, scheme, h, digest, change)
			k.verify(t, scheme, h, digest, raw)
			k.verify(t, scheme, h, digest, k.sign(raw))
		}
		for _, encoded := range [][]byte{
			encode("PKCS1v15", size, h, digest),
			encode("PSS", size, h, digest),
			encodePSS(size, h, digest, make([]byte, min(int(salt), 100)), func(db []byte) { xor(db, change, int(at)) }),
		} {
			for scheme := range schemes {
				k.verify(t, scheme, h, digest, k.sign(encoded))
			}
			xor(encoded, change, int(at))
			for scheme := range schemes {
				k.verify(t, scheme, h, digest, k.sign(encoded))
			}
		}
	})
}

func xor(b, change []byte, at int) {
	for i, c := range change {
		b[(at+i)%len(b)] ^= c
	}
}

// BenchmarkVerify has the standard library's beside ours.
func BenchmarkVerify(b *testing.B) {
	sizes := []int{2048, 3072, 4096}
	budget.Time(b, verifies(sizes...))
	for _, size := range sizes {
		k := newKey(b, size, 65537)
		digest := sha256.Sum256([]byte("message"))
		for scheme, s := range schemes {
			signature := k.sign(encode(scheme, size, crypto.SHA256, digest[:]))
			b.Run(fmt.Sprintf("crypto/%s/%d", scheme, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.std(k, crypto.SHA256, digest[:], signature)
				}
			})
		}
	}
}

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Verify": verifies(2048)})
}

func verifies(sizes ...int) budget.Benchmark {
	return func(b *budget.Runner) {
		for _, size := range sizes {
			k := newKey(b, size, 65537)
			digest := sha256.Sum256([]byte("message"))
			for scheme, s := range schemes {
				signature := k.sign(encode(scheme, size, crypto.SHA256, digest[:]))
				b.Op(fmt.Sprintf("ours/%s/%d", scheme, size), func() { s.ours(k, crypto.SHA256, digest[:], signature) })
			}
		}
	}
}
