package jwt

import (
	"crypto/ecdsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func set(algs ...Algorithm) (s algorithmSet) {
	for _, a := range algs {
		s |= 1 << a
	}
	return s
}

func TestParseKeys(t *testing.T) {
	for name, c := range map[string]struct {
		jwk  map[string]any
		want algorithmSet
	}{
		"RSA":                         {jwk(t, "rsa", nil), set(RS256, RS384, RS512, PS256, PS384, PS512)},
		"RSA for one algorithm":       {jwk(t, "rsa", object{"alg": "PS384"}), set(PS384)},
		"P-256":                       {jwk(t, "P-256", nil), set(ES256)},
		"P-384":                       {jwk(t, "P-384", nil), set(ES384)},
		"P-521":                       {jwk(t, "P-521", object{"use": "sig", "alg": "ES512"}), set(ES512)},
		"Ed25519":                     {jwk(t, "ed25519", nil), set(EdDSA)},
		"key_ops with verify":         {jwk(t, "P-256", object{"key_ops": []string{"sign", "verify"}}), set(ES256)},
		"oct":                         {object{"kty": "oct", "k": b64(make([]byte, 32))}, set(HS256)},
		"oct for SHA-512":             {object{"kty": "oct", "k": b64(make([]byte, 64))}, set(HS256, HS384, HS512)},
		"a private key's public half": {jwkOf(t, testKeys()["P-256"], nil), set(ES256)},
	} {
		t.Run(name, func(t *testing.T) {
			c.jwk["kid"] = "k"
			keys, err := parseSet(t, c.jwk)
			require.NoError(t, err)
			require.Len(t, keys, 1)
			assert.Equal(t, c.want, keys[0].algorithms)
			assert.Equal(t, "k", keys[0].id)
		})
	}
}

func TestParseKeysLeavesOutWhatIsForSomethingElse(t *testing.T) {
	for name, other := range map[string]map[string]any{
		"use enc":             jwk(t, "rsa", object{"use": "enc"}),
		"use sig in capitals": jwk(t, "rsa", object{"use": "SIG"}),
		"key_ops to sign":     jwk(t, "rsa", object{"key_ops": []string{"sign"}}),
		"no key_ops at all":   jwk(t, "rsa", object{"key_ops": []string{}}),
		"alg to encrypt":      jwk(t, "rsa", object{"alg": "RSA-OAEP"}),
		"unknown kty":         {"kty": "AKP"},
		"kty in lower case":   jwk(t, "P-256", object{"kty": "ec"}),
		"unknown curve":       jwk(t, "P-256", object{"crv": "secp256k1"}),
		"X25519":              jwk(t, "ed25519", object{"crv": "X25519"}),
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := parseSet(t, other, jwk(t, "P-256", nil))
			require.NoError(t, err)
			assert.Len(t, keys, 1)
			_, err = parseSet(t, other)
			assert.ErrorContains(t, err, "no key is usable")
		})
	}
}

func TestParseKeysRefuses(t *testing.T) {
	ec := testKeys()["P-256"].Public().(*ecdsa.PublicKey)
	point, err := ec.Bytes()
	require.NoError(t, err)
	x, y := point[1:33], point[33:]
	offCurve := append([]byte(nil), y...)
	offCurve[31] ^= 1
	for name, c := range map[string]struct {
		jwk  any
		want string
	}{
		"weak RSA":                   {jwk(t, "weak", nil), "an RSA key of 1024 bits"},
		"huge RSA":                   {jwk(t, "rsa", object{"n": b64(append([]byte{0x80}, append(make([]byte, 1100), 1)...))}), "an RSA key of"},
		"a modulus with a zero":      {jwk(t, "rsa", object{"n": b64(append([]byte{0}, make([]byte, 256)...))}), "not the modulus"},
		"an even modulus":            {jwk(t, "rsa", object{"n": b64(append([]byte{0x80}, make([]byte, 255)...))}), "not the modulus"},
		"no modulus":                 {jwk(t, "rsa", object{"n": ""}), "not the modulus"},
		"exponent 1":                 {jwk(t, "rsa", object{"e": "AQ"}), "not the exponent"},
		"exponent 2":                 {jwk(t, "rsa", object{"e": "Ag"}), "not the exponent"},
		"exponent 0":                 {jwk(t, "rsa", object{"e": "AA"}), "not the exponent"},
		"an exponent with a zero":    {jwk(t, "rsa", object{"e": "AAEAAQ"}), "not the exponent"},
		"an exponent of 40 bits":     {jwk(t, "rsa", object{"e": b64([]byte{1, 0, 0, 0, 1})}), "not the exponent"},
		"an exponent of 32 bits":     {jwk(t, "rsa", object{"e": b64([]byte{0xff, 0xff, 0xff, 0xff})}), "not the exponent"},
		"no exponent":                {jwk(t, "rsa", object{"e": nil}), "no e"},
		"padded base64":              {jwk(t, "rsa", object{"e": "AQAB=="}), "e is not base64url"},
		"off the curve":              {jwk(t, "P-256", object{"y": b64(offCurve)}), "not a point of P-256"},
		"the point of no key":        {jwk(t, "P-256", object{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}), "not a point"},
		"a short coordinate":         {jwk(t, "P-256", object{"x": b64(x[1:])}), "have 32 bytes each"},
		"a long coordinate":          {jwk(t, "P-256", object{"x": b64(append([]byte{0}, x...))}), "have 32 bytes each"},
		"the point of another curve": {jwk(t, "P-384", object{"crv": "P-256"}), "have 32 bytes each"},
		"no curve":                   {jwk(t, "P-256", object{"crv": nil}), "no crv"},
		"Ed25519 of 31 bytes":        {jwk(t, "ed25519", object{"x": b64(make([]byte, 31))}), "has 32 bytes"},
		"no point of Ed25519":        {jwk(t, "ed25519", object{"x": b64(append([]byte{2}, make([]byte, 31)...))}), "not a point"},
		"a short oct":                {object{"kty": "oct", "k": b64(make([]byte, 31))}, "an oct key of 31 bytes"},
		"an oct too short for alg":   {object{"kty": "oct", "alg": "HS512", "k": b64(make([]byte, 63))}, "does not fit"},
		"alg of another kty":         {jwk(t, "rsa", object{"alg": "ES256"}), "alg ES256 does not fit kty RSA"},
		"HS for an RSA key":          {jwk(t, "rsa", object{"alg": "HS256"}), "does not fit"},
		"alg of another curve":       {jwk(t, "P-256", object{"alg": "ES384"}), "does not fit"},
		"no kty":                     {jwk(t, "rsa", object{"kty": nil}), "no kty"},
		"kty is a number":            {object{"kty": 1}, "kty is not a string"},
		"kid is a number":            {jwk(t, "rsa", object{"kid": 7}), "kid is not a string"},
		"key_ops is a string":        {jwk(t, "rsa", object{"key_ops": "verify"}), "key_ops is not a list"},
		"not an object":              {"key", "not an object"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseSetOf(t, []any{jwk(t, "ed25519", nil), c.jwk})
			var keyError *KeyError
			require.ErrorAs(t, err, &keyError)
			assert.Equal(t, 1, keyError.Index)
			assert.Contains(t, keyError.What, c.want)
		})
	}
}

func parseSetOf(t *testing.T, keys any) ([]*Key, error) {
	t.Helper()
	v, err := jsonstrict.Parse(mustJSON(t, object{"keys": keys}))
	require.NoError(t, err)
	return ParseKeys(v)
}

func TestParseKeysRefusesWhatIsNoSet(t *testing.T) {
	many := make([]any, MaxKeys+1)
	for i := range many {
		many[i] = jwk(t, "ed25519", nil)
	}
	_, err := parseSetOf(t, many)
	assert.ErrorContains(t, err, "more than 64 keys")
	_, err = parseSetOf(t, many[1:])
	assert.NoError(t, err)
	for _, keys := range []any{nil, []any{}, object{}, "x"} {
		_, err := parseSetOf(t, keys)
		assert.Error(t, err)
	}
}

// A signature is checked with the key that it fits: every algorithm, against go-jose.
func TestSignatures(t *testing.T) {
	keys, err := parseSet(t, jwk(t, "rsa", nil), jwk(t, "P-256", nil), jwk(t, "P-384", nil), jwk(t, "P-521", nil),
		jwk(t, "ed25519", nil), object{"kty": "oct", "k": b64(secret)})
	require.NoError(t, err)
	for _, alg := range []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.HS256,
	} {
		token, err := ParseToken(sign(t, alg, claimsFor(nil)))
		require.NoError(t, err)
		fitting := 0
		for _, k := range keys {
			if !k.algorithms.has(token.algorithm) {
				continue
			}
			fitting++
			check := func(signed string, signature []byte) error {
				return checkSignature(InWasm{}, token.algorithm, k, signed, signature)
			}
			require.NoError(t, check(token.signed, token.signature), alg)
			assert.ErrorIs(t, check(token.signed+".", token.signature), ErrForged, alg)
			for _, i := range []int{0, len(token.signature) / 2, len(token.signature) - 1} {
				changed := append([]byte(nil), token.signature...)
				changed[i] ^= 1
				assert.ErrorIs(t, check(token.signed, changed), ErrForged, alg)
			}
			for _, size := range []int{0, 1, len(token.signature) - 1, len(token.signature) + 1, 2 * len(token.signature)} {
				resized := append(append([]byte(nil), token.signature...), make([]byte, len(token.signature))...)[:size]
				assert.ErrorIs(t, check(token.signed, resized), ErrForged, alg)
			}
		}
		assert.Equal(t, 1, fitting, alg)
	}
}

// r and s are from 1 to n-1; what is beyond never reaches the arithmetic, the host's or ours.
func TestSignatureRanges(t *testing.T) {
	keys, err := parseSet(t, jwk(t, "P-256", nil))
	require.NoError(t, err)
	order := curveOf(ES256).Params().N
	one := big.NewInt(1)
	for name, c := range map[string]struct{ r, s *big.Int }{
		"both zero": {new(big.Int), new(big.Int)},
		"r is zero": {new(big.Int), one},
		"s is zero": {one, new(big.Int)},
		"r is n":    {order, one},
		"s is n":    {one, order},
		"r beyond":  {new(big.Int).Add(order, one), one},
	} {
		signature := append(c.r.FillBytes(make([]byte, 32)), c.s.FillBytes(make([]byte, 32))...)
		assert.ErrorIs(t, checkSignature(untouched{t}, ES256, keys[0], "x", signature), ErrForged, name)
	}
	last := new(big.Int).Sub(order, one)
	edge := append(last.FillBytes(make([]byte, 32)), last.FillBytes(make([]byte, 32))...)
	assert.ErrorIs(t, checkSignature(InWasm{}, ES256, keys[0], "x", edge), ErrForged)
}

// untouched must not be asked.
type untouched struct{ t *testing.T }

func (u untouched) Verify(Algorithm, *Key, string, []byte) error {
	assert.Fail(u.t, "the signature came to be checked")
	return nil
}

func TestProbe(t *testing.T) {
	for name, answers := range map[string][]error{
		"refuses what is right": {ErrForged, ErrForged},
		"accepts what is wrong": {nil, nil},
		"cannot be asked":       {ErrUndecided, ErrUndecided},
		"fails the second time": {nil, ErrUndecided},
	} {
		assert.False(t, Probe(&scripted{answers}), name)
	}
	assert.True(t, Probe(&scripted{[]error{nil, ErrForged}}))
}

type scripted struct{ answers []error }

func (s *scripted) Verify(Algorithm, *Key, string, []byte) error {
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func TestAlgorithmNames(t *testing.T) {
	assert.Equal(t, "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256 HS384 HS512", strings.Join(AlgorithmNames, " "))
	for _, name := range []string{"", "none", "None", "rs256", "RS1", "ES256K", "HS256 "} {
		_, ok := ParseAlgorithm(name)
		assert.False(t, ok, name)
	}
}
