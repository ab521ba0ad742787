package jwtauthn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // registers the hashes that hashOf names
	_ "crypto/sha512"
	"encoding/base64"
	"math/big"
	"strings"
	"sync"
)

// Algorithms that both filters know.
var Algorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512",
}

// key is a private key, with what the set says of it.
type key struct {
	id, algorithm, use string
	operations         []string
	family             string // as in an algorithm's name: "RS" stands for PS as well
	private            any    // crypto.Signer or, for HMAC, []byte
}

// keys are all of the issuers', and one that is nobody's.
var keys = sync.OnceValue(func() []*key {
	rs := func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }
	es := func(c elliptic.Curve) *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(c, rand.Reader)) }
	secret := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rand.Read(b) // never fails
		return b
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	return []*key{
		{id: "rs", family: "RS", private: rs()},
		{id: "rs-384", family: "RS", algorithm: "RS384", private: rs()},
		{id: "es-256", family: "ES", private: es(elliptic.P256())},
		{id: "es-384", family: "ES", private: es(elliptic.P384())},
		{id: "es-512", family: "ES", private: es(elliptic.P521())},
		{id: "", family: "ES", algorithm: "ES256", private: es(elliptic.P256())},
		{id: "ed", family: "Ed", private: must(ed, err)},
		{id: "hs", family: "HS", private: secret(64)},
		{id: "hs-256", family: "HS", algorithm: "HS256", private: secret(32)},
		{id: "enc", family: "ES", use: "enc", private: es(elliptic.P256())},
		{id: "ops", family: "ES", operations: []string{"deriveKey"}, private: es(elliptic.P256())},
		{id: stranger, family: "ES", private: es(elliptic.P256())},
	}
})

// stranger is the ID of the key that is in no set.
const stranger = "stranger"

// keyOf is the key by an ID.
func keyOf(id string) *key {
	for _, k := range keys() {
		if k.id == id {
			return k
		}
	}
	panic("no key " + id)
}

// keyFor is the ID of a key that fits an algorithm.
func keyFor(algorithm string) string {
	switch algorithm {
	case "ES256", "ES384", "ES512":
		return "es-" + algorithm[2:]
	case "EdDSA":
		return "ed"
	case "HS256", "HS384", "HS512":
		return "hs"
	}
	return "rs"
}

// KeySet is the JWK Set that all issuers share.
func KeySet() string {
	var all list
	for _, k := range keys() {
		if k.id != stranger {
			all = append(all, k.public())
		}
	}
	return text(object{"keys": all})
}

func (k *key) public() object {
	jwk := object{}
	set(jwk, "kid", k.id, k.id != "")
	set(jwk, "alg", k.algorithm, k.algorithm != "")
	set(jwk, "use", k.use, k.use != "")
	set(jwk, "key_ops", k.operations, k.operations != nil)
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(private.N.Bytes()), encode(big.NewInt(int64(private.E)).Bytes())
	case *ecdsa.PrivateKey:
		point := must(private.PublicKey.Bytes())[1:] // after the 4 of an uncompressed point
		half := len(point) / 2
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", private.Params().Name, encode(point[:half]), encode(point[half:])
	case ed25519.PrivateKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", encode(private.Public().(ed25519.PublicKey))
	case []byte:
		jwk["kty"], jwk["k"] = "oct", encode(private)
	}
	return jwk
}

// hash is the hash that jwt_authn takes for an algorithm and a key of another kind, or of the same.
func (k *key) hash(algorithm string) crypto.Hash {
	if k.family == "RS" && strings.HasPrefix(algorithm, "PS") || strings.HasPrefix(algorithm, k.family) {
		return hashOf(algorithm)
	}
	return crypto.SHA256
}

// hashOf is the hash of an algorithm.
func hashOf(algorithm string) crypto.Hash {
	switch {
	case strings.HasSuffix(algorithm, "384"):
		return crypto.SHA384
	case strings.HasSuffix(algorithm, "512"):
		return crypto.SHA512
	}
	return crypto.SHA256
}

func digest(h crypto.Hash, input string) []byte {
	w := h.New()
	w.Write([]byte(input))
	return w.Sum(nil)
}

// sign signs with a key in the way of its family, with an algorithm's hash. salt is for PS only.
func (k *key) sign(algorithm, input string, salt int) []byte {
	h := k.hash(algorithm)
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(algorithm, "PS") {
			return must(rsa.SignPSS(rand.Reader, private, h, digest(h, input), &rsa.PSSOptions{SaltLength: salt}))
		}
		return must(rsa.SignPKCS1v15(nil, private, h, digest(h, input)))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest(h, input))
		size := (private.Params().BitSize + 7) / 8
		signature := make([]byte, 2*size)
		must(r, err).FillBytes(signature[:size])
		s.FillBytes(signature[size:])
		return signature
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(input))
	case []byte:
		mac := hmac.New(h.New, private)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
	panic("no such key")
}

// verify is what jwt_authn does with the key: it goes by the key's family, and takes of the algorithm its hash alone.
func (k *key) verify(algorithm, input string, signature []byte, salt int) bool {
	h := k.hash(algorithm)
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(algorithm, "PS") {
			options := &rsa.PSSOptions{SaltLength: salt}
			return rsa.VerifyPSS(&private.PublicKey, h, digest(h, input), signature, options) == nil
		}
		return strings.HasPrefix(algorithm, "RS") &&
			rsa.VerifyPKCS1v15(&private.PublicKey, h, digest(h, input), signature) == nil
	case *ecdsa.PrivateKey:
		half := len(signature) / 2
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:2*half])
		return ecdsa.Verify(&private.PublicKey, digest(h, input), r, s)
	case ed25519.PrivateKey:
		return ed25519.Verify(private.Public().(ed25519.PublicKey), []byte(input), signature)
	case []byte:
		return hmac.Equal(k.sign(algorithm, input, 0), signature)
	}
	return false
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // of keys that were just made, and of strings that are constants
	}
	return value
}

// size is that of half an ECDSA signature, in bytes; 0 for other keys.
func (k *key) size() int {
	if private, ok := k.private.(*ecdsa.PrivateKey); ok {
		return (private.Params().BitSize + 7) / 8
	}
	return 0
}

func sizeOf(algorithm string) int { return keyOf(keyFor(algorithm)).size() }
