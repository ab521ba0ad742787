// Package rsa verifies RSA signatures (RFC 8017) quickly where there is no 64x64-bit product, as in WebAssembly. It
// cannot sign, and it takes no care to run in constant time: all that it sees is public.
//
// What it accepts is what crypto/rsa accepts, for the keys that it takes.
package rsa

import (
	"bytes"
	"crypto"
	"errors"
	"math/bits"
	"strconv"
	"sync"
)

// The sizes of a modulus.
const (
	MinBits = 2048 // RFC 7518 section 3.3: smaller keys must not be used
	MaxBits = 8192 // one verification takes 16 times as long as with 2048
)

// PublicKey verifies the signatures of one key. It may be used by several goroutines, which then wait for each other:
// its space for intermediate results is its own, so that nothing is allocated.
type PublicKey struct {
	modulus  *modulus
	n        []byte // big-endian, without leading zeros
	exponent uint32

	busy       sync.Mutex
	s, m, form number
	encoded    []byte
}

// ParsePublicKey prepares a key for its signatures: the modulus in big-endian order without leading zeros, odd, of MinBits
// to MaxBits, and an odd exponent from 3 to 2^31-1.
func ParsePublicKey(modulus []byte, exponent int) (*PublicKey, error) {
	switch {
	case len(modulus) == 0 || modulus[0] == 0 || modulus[len(modulus)-1]&1 == 0:
		return nil, errors.New("rsa: the modulus is even or has leading zeros")
	case bitLen(modulus) < MinBits || bitLen(modulus) > MaxBits:
		return nil, errors.New("rsa: the modulus has " + strconv.Itoa(bitLen(modulus)) + " bits")
	case exponent < 3 || exponent > 1<<31-1 || exponent&1 == 0:
		return nil, errors.New("rsa: the exponent is even, below 3 or has more than 31 bits")
	}
	k := &PublicKey{modulus: newModulus(modulus), n: bytes.Clone(modulus), exponent: uint32(exponent)}
	limbs := len(k.modulus.n)
	k.s, k.m, k.form = make(number, limbs), make(number, limbs), make(number, limbs)
	k.encoded = make([]byte, len(modulus))
	return k, nil
}

// Size is the size of a signature in bytes: the modulus's.
func (k *PublicKey) Size() int { return len(k.n) }

// VerifyPKCS1v15 tells whether a signature is the key's, of a message with this digest (RFC 8017 section 8.2.2). The
// hash is SHA-256, SHA-384 or SHA-512.
func (k *PublicKey) VerifyPKCS1v15(hash crypto.Hash, digest, signature []byte) bool {
	k.busy.Lock()
	defer k.busy.Unlock()
	encoded, ok := k.open(signature)
	return ok && isPKCS1v15(encoded, hash, digest)
}

// VerifyPSS is the same for RSASSA-PSS (RFC 8017 section 8.1.2), with the same hash for the mask and a salt as long as
// the hash.
func (k *PublicKey) VerifyPSS(hash crypto.Hash, digest, signature []byte) bool {
	k.busy.Lock()
	defer k.busy.Unlock()
	encoded, ok := k.open(signature)
	return ok && isPSS(encoded, bitLen(k.n)-1, hash, digest)
}

// open gives the encoded message that was signed, which stays the key's and may be overwritten.
func (k *PublicKey) open(signature []byte) (encoded []byte, ok bool) {
	// RFC 8017 section 5.2.2: the signature representative is below n.
	if len(signature) != len(k.n) || bytes.Compare(signature, k.n) >= 0 {
		return nil, false
	}
	k.s.setBytes(signature)
	k.modulus.power(k.m, k.s, k.form, k.exponent)
	k.m.fillBytes(k.encoded)
	return k.encoded, true
}

// bitLen is the size in bits of a number in big-endian order without leading zeros.
func bitLen(b []byte) int { return bits.Len8(b[0]) + 8*(len(b)-1) }
