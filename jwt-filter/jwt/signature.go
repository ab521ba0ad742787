package jwt

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha256" // registers the hashes that algorithms name
	_ "crypto/sha512"
	"crypto/subtle"
	"errors"

	"github.com/palisade-mesh/palisade/jwt-filter/ed25519"
)

// Errors of a signature check.
var (
	// ErrForged is a signature that is not the key's.
	ErrForged = errors.New("the signature does not verify")
	// ErrUndecided is a check that could not be made: a failure of the host, not of the token.
	ErrUndecided = errors.New("the signature could not be checked")
)

// Signatures checks signatures. nil means verified; ErrForged that it does not verify; any other error
// that it could not be checked. The key fits the algorithm, and the signature has the right size.
type Signatures interface {
	Verify(alg Algorithm, key *Key, signed string, signature []byte) error
}

// checkSignature checks sizes and ranges before the arithmetic, then asks s.
func checkSignature(s Signatures, alg Algorithm, key *Key, signed string, signature []byte) error {
	a := &algorithms[alg]
	switch a.family {
	case familyRS, familyPS:
		if len(signature) != key.rsa.Size() { // RFC 8017 section 8.2.2, step 1
			return ErrForged
		}
	case familyES:
		if len(signature) != 2*a.size { // RFC 7518 section 3.4
			return ErrForged
		}
		// 0 < r, s < n: zero is the "psychic signature" that verified everything elsewhere.
		if c := a.curve(); !c.InRange(signature[:a.size]) || !c.InRange(signature[a.size:]) {
			return ErrForged
		}
	case familyEdDSA:
		if len(signature) != ed25519.SignatureSize {
			return ErrForged
		}
	case familyHS:
		if len(signature) != a.size {
			return ErrForged
		}
	}
	return s.Verify(alg, key, signed, signature)
}

// InWasm checks every algorithm without the host: RS*, PS* and EdDSA by code that is made for Wasm, ES* by parts
// of the standard library, HS* by itself.
type InWasm struct{}

// Verify implements Signatures.
func (InWasm) Verify(alg Algorithm, key *Key, signed string, signature []byte) error {
	a := &algorithms[alg]
	ok := false
	switch a.family {
	case familyRS:
		ok = key.rsa.VerifyPKCS1v15(a.hash, digest(a.hash, signed), signature)
	case familyPS:
		// RFC 7518 section 3.5: the salt is as long as the hash.
		ok = key.rsa.VerifyPSS(a.hash, digest(a.hash, signed), signature)
	case familyES:
		ok = key.ecdsa.Verify(digest(a.hash, signed), signature)
	case familyEdDSA:
		ok = key.ed25519.Verify(signed, signature)
	case familyHS:
		mac := hmac.New(a.hash.New, key.secret)
		mac.Write([]byte(signed))
		ok = subtle.ConstantTimeCompare(mac.Sum(nil), signature) == 1
	}
	if !ok {
		return ErrForged
	}
	return nil
}

func digest(h crypto.Hash, text string) []byte {
	w := h.New()
	w.Write([]byte(text))
	return w.Sum(nil)
}

// HostCheck asks the proxy whether a signature is over text; see host.VerifySignature.
type HostCheck func(hash string, publicKey, signature []byte, text string) error

// OnHost checks RS* and ES* with the proxy's BoringSSL, and what that cannot do in Wasm.
type OnHost struct {
	Check  HostCheck
	Forged error // what Check returns for a signature that does not verify
}

// Verify implements Signatures.
func (s OnHost) Verify(alg Algorithm, key *Key, signed string, signature []byte) error {
	a := &algorithms[alg]
	switch a.family {
	case familyRS:
	case familyES:
		signature = ecdsaDER(signature)
	default:
		return InWasm{}.Verify(alg, key, signed, signature)
	}
	err := s.Check(a.host, key.spki, signature, signed)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, s.Forged):
		return ErrForged
	}
	return ErrUndecided
}
