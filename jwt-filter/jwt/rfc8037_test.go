package jwt

import (
	"bytes"
	"crypto/ed25519"
	crand "crypto/rand"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ed25519JWK(x []byte) object { return object{"kty": "OKP", "crv": "Ed25519", "x": b64(x)} }

// Keys under which anybody can sign: points of small order, in each encoding that crypto/ed25519 takes.
func TestEd25519KeysOfSmallOrder(t *testing.T) {
	order8 := "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
	order8Too := "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
	p := "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
	for name, text := range map[string]string{
		"order 1, the neutral point": "01" + strings.Repeat("00", 31),
		"order 1, with a sign":       "01" + strings.Repeat("00", 30) + "80",
		"order 1, above the field":   "ee" + p[2:],
		"order 2":                    "ec" + p[2:],
		"order 2, with a sign":       "ec" + p[2:62] + "ff",
		"order 4, 32 zeros":          strings.Repeat("00", 32),
		"order 4, the other x":       strings.Repeat("00", 31) + "80",
		"order 4, above the field":   p,
		"order 8":                    order8,
		"order 8, the other x":       order8[:62] + "85",
		"order 8, the other y":       order8Too,
		"order 8, the other of both": order8Too[:62] + "fa",
	} {
		t.Run(name, func(t *testing.T) {
			x, err := hex.DecodeString(text)
			require.NoError(t, err)
			_, err = parseSet(t, ed25519JWK(x))
			assert.ErrorContains(t, err, "keys[0]: x is not the public key of any private key of Ed25519")
			// The neutral point and zero are a signature of one in eight texts at least.
			forged := append([]byte{1}, make([]byte, 63)...)
			assert.True(t, slices.ContainsFunc(make([]byte, 1000), func(byte) bool {
				return ed25519.Verify(x, []byte(crand.Text()), forged)
			}), "not of small order: this is no test")
		})
	}
}

// Every other encoding is a key if it is one of a point: y has a root for x, and is in the field.
func TestEd25519Points(t *testing.T) {
	prime, _ := new(big.Int).SetString("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", 16)
	d, _ := new(big.Int).SetString("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", 16) // RFC 8032 section 5.1
	hasX := func(y *big.Int) bool {
		y2 := new(big.Int).Mul(y, y)
		v := new(big.Int).Mul(d, y2)
		v.Add(v, big.NewInt(1)).ModInverse(v, prime)
		x2 := new(big.Int).Sub(y2, big.NewInt(1))
		return new(big.Int).ModSqrt(x2.Mul(x2, v).Mod(x2, prime), prime) != nil
	}
	r := rand.New(rand.NewPCG(8032, 8037))
	points := 0
	for i := range 500 {
		x := make([]byte, 32)
		if x[0] = byte(i + 2); i > 250 {
			for j := range x {
				x[j] = byte(r.Uint32())
			}
		}
		le := slices.Clone(x)
		slices.Reverse(le)
		le[0] &= 0x7f
		want := hasX(new(big.Int).SetBytes(le))
		if want {
			points++
		}
		_, err := parseSet(t, ed25519JWK(x))
		assert.Equal(t, want, err == nil, "%x", x)
	}
	assert.Greater(t, points, 150)
	assert.Less(t, points, 350)
	for above := byte(0xef); above != 0; above++ { // 2^255-19 is 0xed...
		x := append([]byte{above}, bytes.Repeat([]byte{0xff}, 31)...)
		_, err := parseSet(t, ed25519JWK(x))
		assert.Error(t, err, "%x", x)
	}
	for range 100 {
		public, _, err := ed25519.GenerateKey(crand.Reader)
		require.NoError(t, err)
		_, err = parseSet(t, ed25519JWK(public))
		assert.NoError(t, err, "%x", public)
	}
	_, err := parseSet(t, rfcJWK(t, "rfc8037-a1", false))
	assert.NoError(t, err)
}
