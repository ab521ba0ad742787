package host

import (
	"errors"

	"github.com/palisade-mesh/palisade/filters/wire"
)

// ErrSignature is a signature that does not verify.
var ErrSignature = errors.New("host: the signature does not verify")

// VerifySignature asks Envoy's BoringSSL (foreign function verify_signature) whether signature is over
// text. hash is "sha256", "sha384" or "sha512"; publicKey is a SubjectPublicKeyInfo in DER; an ECDSA
// signature is in DER. Ed25519 and RSA-PSS are beyond it. nil means verified; ErrSignature refused; any
// other error that the host did not answer.
//
// argument is a buffer for the call, which may be reused for the next.
func VerifySignature(h Host, argument []byte, hash string, publicKey, signature []byte, text string) ([]byte, error) {
	// The message of Envoy's verify_signature.proto: hash_function, public_key, signature, text.
	b := wire.AppendBytes(argument[:0], 1, hash)
	b = wire.AppendBytes(b, 2, publicKey)
	b = wire.AppendBytes(b, 3, signature)
	b = wire.AppendBytes(b, 4, text)
	result, err := h.Call("verify_signature", b)
	if err != nil {
		return b, err
	}
	if !firstBool(result) {
		return b, ErrSignature
	}
	return b, nil
}

// firstBool tells whether a message's first field is field 1 with the varint 1. Anything else, also an
// absent field (which is false in proto3), is not a yes.
func firstBool(message []byte) bool {
	return len(message) >= 2 && message[0] == 1<<3 && message[1] == 1
}
