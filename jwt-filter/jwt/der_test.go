package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPublicKeysInDER(t *testing.T) {
	for name, key := range testKeys() {
		want, err := x509.MarshalPKIXPublicKey(key.Public())
		require.NoError(t, err)
		switch public := key.Public().(type) {
		case *rsa.PublicKey:
			assert.Equal(t, want, rsaSPKI(public.N.Bytes(), big.NewInt(int64(public.E)).Bytes()), name)
		case *ecdsa.PublicKey:
			keys, err := parseSet(t, jwk(t, name, nil))
			require.NoError(t, err)
			assert.Equal(t, want, keys[0].spki, name)
		}
	}
	for _, size := range []int{256, 257, 512, 1024} { // every form of a length
		n := bytes.Repeat([]byte{0x7f}, size)
		want, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 3})
		require.NoError(t, err)
		assert.Equal(t, want, rsaSPKI(n, []byte{3}))
	}
}

func TestSignaturesInDER(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{32, 48, 66} {
		for range 300 {
			signature := make([]byte, 2*size)
			for i := range signature {
				signature[i] = byte(random.Uint32())
			}
			// Leading zeros and high bits are what the encoding turns on.
			clear(signature[:random.IntN(size)])
			clear(signature[size : size+random.IntN(size)])
			want, err := asn1.Marshal(struct{ R, S *big.Int }{
				new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]),
			})
			require.NoError(t, err)
			require.Equal(t, want, ecdsaDER(signature))
		}
	}
	assert.Equal(t, []byte{0x30, 6, 2, 1, 0, 2, 1, 0}, ecdsaDER(make([]byte, 64)))
}
