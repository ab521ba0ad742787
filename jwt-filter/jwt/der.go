package jwt

// DER by hand: three structures, where encoding/asn1 would bring reflection into the module.

var (
	oidRSA = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01} // 1.2.840.113549.1.1.1
	oidEC  = []byte{0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}             // 1.2.840.10045.2.1

	oidCurves = map[Algorithm][]byte{
		ES256: {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, // 1.2.840.10045.3.1.7
		ES384: {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22},                   // 1.3.132.0.34
		ES512: {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23},                   // 1.3.132.0.35
	}
)

const (
	derInteger   = 0x02
	derBitString = 0x03
	derNull      = 0x05
	derSequence  = 0x30
)

// rsaSPKI is the SubjectPublicKeyInfo of an RSA key (RFC 8017 appendix A.1.1, RFC 3279 section 2.3.1).
func rsaSPKI(n, e []byte) []byte {
	key := der(derSequence, concat(derUint(nil, n), derUint(nil, e)))
	return der(derSequence, concat(
		der(derSequence, concat(oidRSA, []byte{derNull, 0})),
		der(derBitString, concat([]byte{0}, key))))
}

// ecSPKI is the SubjectPublicKeyInfo of an uncompressed point (RFC 5480 section 2).
func ecSPKI(alg Algorithm, point []byte) []byte {
	return der(derSequence, concat(
		der(derSequence, concat(oidEC, oidCurves[alg])),
		der(derBitString, concat([]byte{0}, point))))
}

// ecdsaDER turns the two fixed-size numbers of a JWS signature (RFC 7518 section 3.4) into the
// ECDSA-Sig-Value of RFC 3279 section 2.2.3.
func ecdsaDER(signature []byte) []byte {
	half := len(signature) / 2
	b := derUint(make([]byte, 0, len(signature)+8), signature[:half])
	return der(derSequence, derUint(b, signature[half:]))
}

// derUint appends an unsigned number, given by its bytes, as an INTEGER.
func derUint(b, v []byte) []byte {
	for len(v) > 1 && v[0] == 0 {
		v = v[1:]
	}
	length := len(v)
	if v[0]&0x80 != 0 {
		length++
	}
	b = derHeader(b, derInteger, length)
	if length > len(v) {
		b = append(b, 0)
	}
	return append(b, v...)
}

func der(tag byte, content []byte) []byte {
	return append(derHeader(make([]byte, 0, len(content)+4), tag, len(content)), content...)
}

func derHeader(b []byte, tag byte, length int) []byte {
	switch {
	case length < 0x80:
		return append(b, tag, byte(length))
	case length < 0x100:
		return append(b, tag, 0x81, byte(length))
	}
	return append(b, tag, 0x82, byte(length>>8), byte(length))
}

func concat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
