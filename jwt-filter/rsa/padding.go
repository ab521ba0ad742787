package rsa

import (
	"crypto"
	"encoding/binary"
	"hash"
)

// digestInfo are the beginnings of DigestInfo values, of which the digest is the end (RFC 8017 section 9.2, note 1).
// They differ in the lengths and in the last number of the object identifier 2.16.840.1.101.3.4.2.
func digestInfo(h crypto.Hash) string {
	switch h {
	case crypto.SHA256:
		return "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
	case crypto.SHA384:
		return "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"
	case crypto.SHA512:
		return "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
	}
	return ""
}

// isPKCS1v15 compares with EMSA-PKCS1-v1_5 (RFC 8017 section 9.2): 00 01 ff ... ff 00 DigestInfo, byte for byte. Nothing of it
// is parsed, so there is nothing that a forger could leave open.
func isPKCS1v15(encoded []byte, h crypto.Hash, digest []byte) bool {
	info := digestInfo(h)
	if info == "" || len(digest) != h.Size() {
		return false
	}
	// The least of moduli, of 256 bytes, leaves more than enough for the eight ff that are needed.
	at := len(encoded) - len(digest) - len(info)
	padding, rest := encoded[:at], encoded[at:]
	if !equal(rest[:len(info)], info) || !equal(rest[len(info):], digest) {
		return false
	}
	last := len(padding) - 1
	if padding[0] != 0 || padding[1] != 1 || padding[last] != 0 {
		return false
	}
	for _, b := range padding[2:last] {
		if b != 0xff {
			return false
		}
	}
	return true
}

// isPSS checks EMSA-PSS (RFC 8017 section 9.1.2) with a salt as long as the hash. It overwrites encoded, whose size is
// the modulus's and not always that of a number of size bits.
func isPSS(encoded []byte, size int, h crypto.Hash, digest []byte) bool {
	if digestInfo(h) == "" || len(digest) != h.Size() {
		return false
	}
	if size%8 == 0 { // emLen is one less than the modulus's length
		if encoded[0] != 0 {
			return false
		}
		encoded = encoded[1:]
	}
	last := len(encoded) - 1
	above := byte(0xff) << (size - 8*last) // the bits of the first byte that are none of size
	if encoded[last] != 0xbc || encoded[0]&above != 0 {
		return false
	}
	db, seed := encoded[:last-len(digest)], encoded[last-len(digest):last]
	w := h.New()
	unmask(db, w, seed)
	db[0] &^= above
	padding, salt := db[:len(db)-len(digest)-1], db[len(db)-len(digest):]
	for _, b := range padding {
		if b != 0 {
			return false
		}
	}
	if db[len(padding)] != 1 {
		return false
	}
	var zeros [8]byte
	w.Reset()
	w.Write(zeros[:])
	w.Write(digest)
	w.Write(salt)
	var sum [64]byte
	return equal(w.Sum(sum[:0]), seed)
}

// unmask XORs with MGF1 of a seed (RFC 8017 appendix B.2.1).
func unmask(b []byte, w hash.Hash, seed []byte) {
	var counter [4]byte
	var sum [64]byte
	for i := uint32(0); len(b) > 0; i++ {
		binary.BigEndian.PutUint32(counter[:], i)
		w.Reset()
		w.Write(seed)
		w.Write(counter[:])
		mask := w.Sum(sum[:0])
		for j := range min(len(mask), len(b)) {
			b[j] ^= mask[j]
		}
		b = b[min(len(mask), len(b)):]
	}
}

// equal is bytes.Equal, which converts to strings and under TinyGo copies for it.
func equal[T string | []byte](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
