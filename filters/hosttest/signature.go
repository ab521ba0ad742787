package hosttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // registers the hashes of VerifySignature
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"errors"
)

var errArgument = errors.New("hosttest: bad argument")

// VerifySignature is Envoy's foreign function verify_signature, for Host.Functions: RSA PKCS #1 v1.5 and
// ECDSA. Like Envoy's, it says no to a signature that does not verify, and is an error for a bad key.
func VerifySignature(argument []byte) ([]byte, error) {
	var fields [5][]byte // by number: hash function, public key, signature, text
	for len(argument) > 0 {
		number := argument[0] >> 3
		size, n := binary.Uvarint(argument[1:])
		if argument[0]&7 != 2 || n <= 0 || int(number) >= len(fields) || size > uint64(len(argument)-1-n) {
			return nil, errArgument
		}
		value := argument[1+n:]
		fields[number], argument = value[:size], value[size:]
	}
	hash, ok := map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[string(fields[1])]
	if !ok {
		return nil, errArgument
	}
	h := hash.New()
	h.Write(fields[4])
	key, err := x509.ParsePKIXPublicKey(fields[2])
	if err != nil {
		return nil, errArgument
	}
	verified := false
	switch key := key.(type) {
	case *rsa.PublicKey:
		verified = rsa.VerifyPKCS1v15(key, hash, h.Sum(nil), fields[3]) == nil
	case *ecdsa.PublicKey:
		verified = ecdsa.VerifyASN1(key, h.Sum(nil), fields[3])
	default:
		return nil, errArgument
	}
	if !verified {
		return []byte{}, nil
	}
	return []byte{1 << 3, 1}, nil
}
