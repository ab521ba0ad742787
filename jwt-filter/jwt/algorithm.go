package jwt

import (
	"crypto"

	"github.com/palisade-mesh/palisade/jwt-filter/ecdsa"
)

// Algorithm is a JWS algorithm (RFC 7518 section 3.1, RFC 8037).
type Algorithm uint8

// The algorithms. There is no value for "none": a token that says so has no algorithm.
const (
	unknown Algorithm = iota
	RS256
	RS384
	RS512
	PS256
	PS384
	PS512
	ES256
	ES384
	ES512
	EdDSA
	HS256
	HS384
	HS512
)

type family uint8

const (
	familyRS family = iota
	familyPS
	familyES
	familyEdDSA
	familyHS
)

// algorithms is indexed by Algorithm.
var algorithms = [...]struct {
	name   string
	family family
	hash   crypto.Hash
	host   string // Envoy's name of the hash
	curve  func() *ecdsa.Curve
	size   int // bytes of one coordinate (ES) or of the hash
}{
	RS256: {"RS256", familyRS, crypto.SHA256, "sha256", nil, 32},
	RS384: {"RS384", familyRS, crypto.SHA384, "sha384", nil, 48},
	RS512: {"RS512", familyRS, crypto.SHA512, "sha512", nil, 64},
	PS256: {"PS256", familyPS, crypto.SHA256, "", nil, 32},
	PS384: {"PS384", familyPS, crypto.SHA384, "", nil, 48},
	PS512: {"PS512", familyPS, crypto.SHA512, "", nil, 64},
	ES256: {"ES256", familyES, crypto.SHA256, "sha256", ecdsa.P256, 32},
	ES384: {"ES384", familyES, crypto.SHA384, "sha384", ecdsa.P384, 48},
	ES512: {"ES512", familyES, crypto.SHA512, "sha512", ecdsa.P521, 66},
	EdDSA: {"EdDSA", familyEdDSA, 0, "", nil, 0},
	HS256: {"HS256", familyHS, crypto.SHA256, "", nil, 32},
	HS384: {"HS384", familyHS, crypto.SHA384, "", nil, 48},
	HS512: {"HS512", familyHS, crypto.SHA512, "", nil, 64},
}

// AlgorithmNames are all algorithms' names, in the order of the constants.
var AlgorithmNames = func() []string {
	var names []string
	for _, a := range algorithms[1:] {
		names = append(names, a.name)
	}
	return names
}()

// defaultAlgorithms are what a provider accepts that lists none: everything asymmetric.
var defaultAlgorithms = func() (set algorithmSet) {
	for a := RS256; a <= EdDSA; a++ {
		set |= 1 << a
	}
	return set
}()

// ParseAlgorithm finds an algorithm by its exact name.
func ParseAlgorithm(name string) (Algorithm, bool) {
	for a := RS256; a <= HS512; a++ {
		if algorithms[a].name == name {
			return a, true
		}
	}
	return unknown, false
}

func (a Algorithm) String() string { return algorithms[a].name }

// algorithmSet has a bit for each Algorithm.
type algorithmSet uint32

func (s algorithmSet) has(a Algorithm) bool { return s&(1<<a) != 0 }
