// Package ecdsa verifies ECDSA signatures (FIPS 186-5 section 6.4.2) over the curves of JWS (RFC 7518 section 3.4), for hosts that do
// not. The arithmetic is the standard library's, of curves and of numbers below an order, as its maintainer exports it. crypto/ecdsa itself
// would bring what signs along, too: random numbers and their ciphers, self-tests, a fourth curve, numbers of any size. V8 would compile
// all of it at each start of a filter.
package ecdsa

import (
	"errors"
	"sync"

	"filippo.io/bigmod"
	"filippo.io/nistec"
)

// Curve is one of the curves of JWS.
type Curve struct {
	order *bigmod.Modulus // of the group; a prime
	bytes string          // the order, big-endian
	size  int             // of a coordinate, and of a number below the order, in bytes
	key   func(point []byte) (PublicKey, error)
}

// The curves, made when they are first asked for.
var (
	P256 = sync.OnceValue(func() *Curve {
		return newCurve(nistec.NewP256Point, "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"+
			"\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51")
	})
	P384 = sync.OnceValue(func() *Curve {
		return newCurve(nistec.NewP384Point, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"+
			"\xc7\x63\x4d\x81\xf4\x37\x2d\xdf\x58\x1a\x0d\xb2\x48\xb0\xa7\x7a\xec\xec\x19\x6a\xcc\xc5\x29\x73")
	})
	P521 = sync.OnceValue(func() *Curve {
		return newCurve(nistec.NewP521Point, "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfa"+
			"\x51\x86\x87\x83\xbf\x2f\x96\x6b\x7f\xcc\x01\x48\xf7\x09\xa5\xd0\x3b\xb5\xc9\xb8\x89\x9c\x47\xae\xbb\x6f\xb7\x1e\x91\x38\x64\x09")
	})
)

// newCurve has the order's bytes, big-endian. bigmod has code for Wasm that takes uint for 64 bits, which TinyGo's has not: only for moduli
// of 1024, 1536 and 2048 bits, which no order has.
func newCurve[P point[P]](newPoint func() P, order string) *Curve {
	modulus, err := bigmod.NewModulus([]byte(order))
	if err != nil {
		panic("ecdsa: " + err.Error()) // a constant is no modulus
	}
	g := &group[P]{Curve{order: modulus, bytes: order, size: len(order)}, newPoint}
	g.key = func(b []byte) (PublicKey, error) {
		q, err := newPoint().SetBytes(b)
		if err != nil {
			return nil, err
		}
		return &publicKey[P]{g, q}, nil
	}
	return &g.Curve
}

// InRange tells whether a big-endian number of any length is from 1 to the order less 1, as both halves of a signature have to be.
func (c *Curve) InRange(number []byte) bool {
	for len(number) > 0 && number[0] == 0 {
		number = number[1:]
	}
	if len(number) != c.size {
		return 0 < len(number) && len(number) < c.size
	}
	return string(number) < c.bytes
}

// PublicKey verifies signatures. It may be used concurrently.
type PublicKey interface {
	// Verify tells whether a signature, two numbers of the curve's size in big-endian order, is one of the key's over a digest, which
	// has at most as many bits as the order. Those of JWS are shorter or as long.
	Verify(digest, signature []byte) bool
}

var errPoint = errors.New("ecdsa: not an uncompressed point")

// Key reads an uncompressed point (SEC 1 section 2.3.4). An error is one that is not on the curve, or infinity.
func (c *Curve) Key(uncompressed []byte) (PublicKey, error) {
	if len(uncompressed) != 1+2*c.size || uncompressed[0] != 4 {
		return nil, errPoint
	}
	return c.key(uncompressed)
}

// point is a point of one of nistec's curves.
type point[P any] interface {
	SetBytes(b []byte) (P, error)
	ScalarBaseMult(scalar []byte) (P, error)
	ScalarMult(q P, scalar []byte) (P, error)
	Add(p, q P) P
	BytesX() ([]byte, error)
}

// group is a curve with its kind of points.
type group[P point[P]] struct {
	Curve
	newPoint func() P // infinity
}

type publicKey[P point[P]] struct {
	*group[P]
	q P
}

// Verify implements PublicKey. The names are those of FIPS 186-5.
func (k *publicKey[P]) Verify(digest, signature []byte) bool {
	n, size := k.order, k.size
	if len(signature) != 2*size || 8*len(digest) > n.BitLen() {
		return false
	}
	if !k.InRange(signature[:size]) || !k.InRange(signature[size:]) {
		return false
	}
	r, err := bigmod.NewNat().SetBytes(signature[:size], n)
	if err != nil {
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature[size:], n)
	if err != nil {
		return false
	}
	e, err := bigmod.NewNat().SetOverflowingBytes(digest, n)
	if err != nil {
		return false
	}
	inverse, ok := bigmod.NewNat().InverseVarTime(s, n)
	if !ok {
		return false
	}
	u1 := e.Mul(inverse, n).Bytes(n)
	u2 := inverse.Mul(r, n).Bytes(n)
	ofBase, err := k.newPoint().ScalarBaseMult(u1)
	if err != nil {
		return false
	}
	ofKey, err := k.newPoint().ScalarMult(k.q, u2)
	if err != nil {
		return false
	}
	x, err := ofBase.Add(ofBase, ofKey).BytesX()
	if err != nil { // infinity
		return false
	}
	v, err := bigmod.NewNat().SetOverflowingBytes(x, n)
	return err == nil && v.Equal(r) == 1
}
