package jwt

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/jwt-filter/ecdsa"
	"github.com/palisade-mesh/palisade/jwt-filter/ed25519"
	"github.com/palisade-mesh/palisade/jwt-filter/rsa"
)

// MaxKeys bounds a key set: a token without a kid is tried against every key that fits.
const MaxKeys = 64

// Key is one verification key of a JWK Set (RFC 7517), with the algorithms that it may be used for.
type Key struct {
	id         string
	algorithms algorithmSet
	spki       []byte // SubjectPublicKeyInfo in DER, for the host (RSA and EC)
	rsa        *rsa.PublicKey
	ecdsa      ecdsa.PublicKey
	ed25519    *ed25519.PublicKey
	secret     []byte
}

// KeyError says what is wrong with a key of a set.
type KeyError struct {
	Index int
	What  string
}

func (e *KeyError) Error() string { return "keys[" + strconv.Itoa(e.Index) + "]: " + e.What }

// ParseKeys reads a JWK Set. Keys that are for something else (use "enc", a kty that is not known) are
// left out, as RFC 7517 section 5 asks for; a key that claims to be for signatures and is malformed or
// weak is an error.
func ParseKeys(set gjson.Result) ([]*Key, error) {
	list, ok := jsonstrict.Member(set, "keys")
	if !ok || !list.IsArray() {
		return nil, &KeyError{What: "the JWK Set has no list \"keys\""}
	}
	var keys []*Key
	var err error
	i := 0
	list.ForEach(func(_, v gjson.Result) bool {
		if i >= MaxKeys {
			err = &KeyError{i, "more than " + strconv.Itoa(MaxKeys) + " keys"}
			return false
		}
		key, what := parseKey(v)
		if what != "" {
			err = &KeyError{i, what}
			return false
		}
		if key != nil {
			keys = append(keys, key)
		}
		i++
		return true
	})
	if err == nil && len(keys) == 0 {
		err = &KeyError{What: "no key is usable for signatures"}
	}
	return keys, err
}

// parseKey gives neither a key nor a mistake for a key that is not for signatures.
func parseKey(v gjson.Result) (key *Key, mistake string) {
	if !v.IsObject() {
		return nil, "not an object"
	}
	var texts [4]string
	for i, name := range [...]string{"kty", "use", "alg", "kid"} {
		m, ok := jsonstrict.Member(v, name)
		if ok && m.Type != gjson.String {
			return nil, name + " is not a string"
		}
		texts[i] = m.Str
	}
	kty, use, alg := texts[0], texts[1], texts[2]
	if use != "" && use != "sig" {
		return nil, ""
	}
	if ops, ok := jsonstrict.Member(v, "key_ops"); ok {
		if !ops.IsArray() {
			return nil, "key_ops is not a list"
		}
		verify := false
		ops.ForEach(func(_, op gjson.Result) bool {
			verify = verify || op.Type == gjson.String && op.Str == "verify"
			return true
		})
		if !verify {
			return nil, ""
		}
	}
	key = &Key{id: strings.Clone(texts[3])} // it would keep the whole set
	switch kty {
	case "RSA":
		mistake = key.parseRSA(v)
	case "EC":
		mistake = key.parseEC(v)
	case "OKP":
		mistake = key.parseOKP(v)
	case "oct":
		mistake = key.parseOct(v)
	case "":
		return nil, "no kty"
	default:
		return nil, ""
	}
	if mistake != "" {
		return nil, mistake
	}
	if key.algorithms == 0 {
		return nil, "" // a curve that is not known
	}
	if alg != "" {
		a, known := ParseAlgorithm(alg)
		if !known {
			return nil, "" // bound to an algorithm that is not for signatures
		}
		if !key.algorithms.has(a) {
			return nil, "alg " + alg + " does not fit kty " + kty + " or the key's size"
		}
		key.algorithms = 1 << a
	}
	return key, ""
}

func (k *Key) parseRSA(v gjson.Result) string {
	n, what := member64(v, "n")
	if what != "" {
		return what
	}
	e, what := member64(v, "e")
	if what != "" {
		return what
	}
	if len(n) == 0 || n[0] == 0 || n[len(n)-1]&1 == 0 {
		return "n is not the modulus of an RSA key"
	}
	if size := 8*(len(n)-1) + bits.Len8(n[0]); size < rsa.MinBits || size > rsa.MaxBits {
		return "an RSA key of " + strconv.Itoa(size) + " bits; " +
			strconv.Itoa(rsa.MinBits) + " to " + strconv.Itoa(rsa.MaxBits) + " are accepted"
	}
	if len(e) == 0 || len(e) > 4 || e[0] == 0 {
		return "e is not the exponent of an RSA key"
	}
	exponent := 0
	for _, b := range e {
		exponent = exponent<<8 | int(b)
	}
	if exponent < 3 || exponent&1 == 0 || exponent > 1<<31-1 {
		return "e is not the exponent of an RSA key"
	}
	key, err := rsa.ParsePublicKey(n, exponent)
	if err != nil {
		return err.Error()
	}
	k.rsa = key
	k.spki = rsaSPKI(n, e)
	k.algorithms = 1<<RS256 | 1<<RS384 | 1<<RS512 | 1<<PS256 | 1<<PS384 | 1<<PS512
	return ""
}

func (k *Key) parseEC(v gjson.Result) string {
	crv, ok := jsonstrict.Member(v, "crv")
	if !ok || crv.Type != gjson.String {
		return "no crv"
	}
	var alg Algorithm
	switch crv.Str {
	case "P-256":
		alg = ES256
	case "P-384":
		alg = ES384
	case "P-521":
		alg = ES512
	default:
		return ""
	}
	a := &algorithms[alg]
	x, what := member64(v, "x")
	if what != "" {
		return what
	}
	y, what := member64(v, "y")
	if what != "" {
		return what
	}
	// RFC 7518 section 6.2.1.2: the full size of a coordinate, leading zeros included.
	if len(x) != a.size || len(y) != a.size {
		return "x and y of " + crv.Str + " have " + strconv.Itoa(a.size) + " bytes each"
	}
	point := append(append([]byte{4}, x...), y...)
	key, err := a.curve().Key(point)
	if err != nil {
		return "x and y are not a point of " + crv.Str
	}
	k.ecdsa = key
	k.spki = ecSPKI(alg, point)
	k.algorithms = 1 << alg
	return ""
}

func (k *Key) parseOKP(v gjson.Result) string {
	crv, ok := jsonstrict.Member(v, "crv")
	if !ok || crv.Type != gjson.String {
		return "no crv"
	}
	if crv.Str != "Ed25519" {
		return ""
	}
	x, what := member64(v, "x")
	if what != "" {
		return what
	}
	if len(x) != ed25519.PublicKeySize {
		return "x of Ed25519 has 32 bytes"
	}
	key, err := ed25519.ParsePublicKey(x)
	if err != nil {
		return "x is not a point of Ed25519"
	}
	if !key.IsSound() {
		return "x is not the public key of any private key of Ed25519"
	}
	k.ed25519 = key
	k.algorithms = 1 << EdDSA
	return ""
}

func (k *Key) parseOct(v gjson.Result) string {
	secret, what := member64(v, "k")
	if what != "" {
		return what
	}
	// RFC 7518 section 3.2: a key of the same size as the hash output or larger.
	for a := HS256; a <= HS512; a++ {
		if len(secret) >= algorithms[a].size {
			k.algorithms |= 1 << a
		}
	}
	if k.algorithms == 0 {
		return "an oct key of " + strconv.Itoa(len(secret)) + " bytes; HS256 needs 32"
	}
	k.secret = secret
	return ""
}

func member64(v gjson.Result, name string) ([]byte, string) {
	m, ok := jsonstrict.Member(v, name)
	if !ok || m.Type != gjson.String {
		return nil, "no " + name
	}
	b, err := decode64(m.Str)
	if err != nil {
		return nil, name + " is not base64url"
	}
	return b, ""
}
