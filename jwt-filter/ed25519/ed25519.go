// Package ed25519 verifies Ed25519 signatures (RFC 8032) quickly where there is no 64x64-bit product, as in
// WebAssembly: in V8 about seven times as fast as crypto/ed25519. It cannot sign, and it takes no care to run in constant
// time: all that it sees is public.
//
// What is accepted differs between implementations in corner cases; here it is what crypto/ed25519 accepts. The
// equation is the one without the cofactor, R is compared by its encoding, S has to be below the order of the base point,
// and a public key may be of small order and its encoding not canonical.
package ed25519

import (
	"crypto/sha512"
	"errors"
	"sync"
	"unsafe"
)

// Sizes in bytes.
const (
	PublicKeySize = 32
	SignatureSize = 64
)

// PublicKey verifies the signatures of one key. It may be used by several goroutines at once.
type PublicKey struct {
	encoded  [PublicKeySize]byte
	negative *multiples // of -A
}

// base are the multiples of the base point, made with the first key.
var (
	base     *multiples
	makeBase sync.Once
)

// basePoint is (x, 4/5) with the even x (RFC 8032 section 5.1).
func basePoint() (b point) {
	encoded := [32]byte{0x58}
	for i := range encoded[1:] {
		encoded[1+i] = 0x66
	}
	b.setBytes(&encoded)
	return b
}

// ParsePublicKey decodes a public key and prepares for its signatures, which takes as long as several verifications.
func ParsePublicKey(encoded []byte) (*PublicKey, error) {
	if len(encoded) != PublicKeySize {
		return nil, errors.New("ed25519: a public key has 32 bytes")
	}
	k := &PublicKey{encoded: [PublicKeySize]byte(encoded)}
	var a point
	if !a.setBytes(&k.encoded) {
		return nil, errors.New("ed25519: the public key is not a point of the curve")
	}
	a.x.negate(&a.x)
	a.t.negate(&a.t)
	k.negative = newMultiples(a)
	makeBase.Do(func() { base = newMultiples(basePoint()) })
	return k, nil
}

// IsSound tells whether the key is one that a private key has (RFC 8032 section 5.1.5): in its one encoding, and not of small
// order. Under a key of small order anybody can sign.
func (k *PublicKey) IsSound() bool {
	var a point
	if !a.setBytes(&k.encoded) || a.bytes() != k.encoded {
		return false
	}
	var twice completed
	for range 3 {
		twice.double(&a)
		a.extend(&twice)
	}
	var difference element
	difference.sub(&a.y, &a.z)
	return !a.x.isZero() || !difference.isZero() // eight times the key is not the neutral point
}

// Verify tells whether a signature is the key's, of this message.
func (k *PublicKey) Verify(message string, signature []byte) bool {
	var s, h scalar
	if len(signature) != SignatureSize || !s.setCanonical(signature[32:]) {
		return false
	}
	hash := sha512.New()
	hash.Write(signature[:32])
	hash.Write(k.encoded[:])
	hash.Write(unsafe.Slice(unsafe.StringData(message), len(message))) // not copied: Write only reads
	var digest [sha512.Size]byte
	hash.Sum(digest[:0])
	h.reduce(&digest)

	// [S]B = R + [h]A
	r := combine(&s, base, &h, k.negative)
	return r.bytes() == [32]byte(signature[:32])
}
