package jwt

import (
	"crypto"
	"crypto/rsa"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// with is an RFC's key with some members changed; nil removes one.
func with(t testing.TB, key string, change object) object {
	t.Helper()
	k := rfcJWK(t, key, false)
	maps.Copy(k, change)
	maps.DeleteFunc(k, func(_ string, v any) bool { return v == nil })
	return k
}

// The members of a JWK, by the sections of RFC 7517.
func TestRFC7517(t *testing.T) {
	usable := func(t *testing.T, k object) []*Key {
		t.Helper()
		keys, err := parseSet(t, k)
		require.NoError(t, err)
		require.Len(t, keys, 1)
		return keys
	}
	leftOut := func(t *testing.T, k object) {
		t.Helper()
		keys, err := parseSet(t, k, jwk(t, "ed25519", nil))
		require.NoError(t, err)
		require.Len(t, keys, 1)
		assert.Equal(t, set(EdDSA), keys[0].algorithms)
	}
	refused := func(t *testing.T, k object, what string) {
		t.Helper()
		_, err := parseSet(t, k)
		assert.ErrorContains(t, err, "keys[0]: "+what)
	}

	t.Run("4.1 kty", func(t *testing.T) {
		refused(t, with(t, "rfc7515-a3", object{"kty": nil}), "no kty")
		refused(t, with(t, "rfc7515-a3", object{"kty": ""}), "no kty")
		refused(t, with(t, "rfc7515-a3", object{"kty": []string{"EC"}}), "kty is not a string")
		for _, kty := range []string{"ec", "Ec", "EC ", "okp", "AKP"} { // "case-sensitive"
			leftOut(t, with(t, "rfc7515-a3", object{"kty": kty}))
		}
		// A key of one type is none of another.
		refused(t, with(t, "rfc7515-a3", object{"kty": "RSA"}), "no n")
		refused(t, with(t, "rfc7515-a2", object{"kty": "EC"}), "no crv")
		refused(t, with(t, "rfc7515-a2", object{"kty": "oct"}), "no k")
		leftOut(t, with(t, "rfc7515-a3", object{"kty": "OKP"})) // no curve of OKP's
		leftOut(t, with(t, "rfc8037-a1", object{"kty": "EC"}))
	})
	t.Run("4.2 use and 4.3 key_ops", func(t *testing.T) {
		for _, change := range []object{
			{}, {"use": "sig"}, {"key_ops": []string{"verify"}}, {"use": "sig", "key_ops": []string{"sign", "verify"}},
			{"key_ops": []string{"verify", "urn:example:other"}},
		} {
			usable(t, with(t, "rfc7515-a3", change))
		}
		for _, change := range []object{
			{"use": "enc"}, {"use": "Sig"}, {"use": "signature"}, {"key_ops": []string{"sign"}}, {"key_ops": []string{"Verify"}},
			{"key_ops": []string{}}, {"key_ops": []any{1}}, {"use": "enc", "key_ops": []string{"verify"}},
			{"use": "sig", "key_ops": []string{"encrypt", "wrapKey"}},
		} {
			leftOut(t, with(t, "rfc7515-a3", change))
		}
		refused(t, with(t, "rfc7515-a3", object{"use": 1}), "use is not a string")
		refused(t, with(t, "rfc7515-a3", object{"key_ops": "verify"}), "key_ops is not a list")
		refused(t, with(t, "rfc7515-a3", object{"key_ops": object{"verify": true}}), "key_ops is not a list")
	})
	t.Run("4.4 alg", func(t *testing.T) {
		for name := range rfc(t).Keys {
			all := usable(t, with(t, name, object{"alg": nil}))[0].algorithms
			for a := RS256; a <= HS512; a++ {
				k := with(t, name, object{"alg": a.String()})
				if all.has(a) {
					assert.Equal(t, set(a), usable(t, k)[0].algorithms, "%s for %s", name, a)
				} else {
					refused(t, k, "alg "+a.String()+" does not fit kty "+k["kty"].(string))
				}
			}
			for _, other := range []string{"RSA-OAEP", "ECDH-ES", "dir", "A128KW", "none", "ES256K", "rs256"} {
				leftOut(t, with(t, name, object{"alg": other}))
			}
		}
		refused(t, with(t, "rfc7515-a3", object{"alg": 256}), "alg is not a string")
	})
	t.Run("4.5 kid", func(t *testing.T) {
		// Of keys with one kid, the type decides; of several that fit, one verifies.
		judge := func(keys object, header string) Result {
			return decide(t, verifier(t, object{"jwks": keys}, nil), bearing(signRaw(t, header, mustJSON(t, claimsFor(nil)))), now)
		}
		ours, strangers := jwk(t, "P-256", object{"kid": "k"}), with(t, "rfc7515-a3", object{"kid": "k"})
		keys := keySet(jwk(t, "rsa", object{"kid": "k"}), strangers, ours, jwk(t, "P-256", object{"kid": "l"}))
		assertAccepted(t, judge(keys, `{"alg":"ES256","kid":"k"}`))
		assertAccepted(t, judge(keys, `{"alg":"ES256"}`))
		assertRefused(t, judge(keys, `{"alg":"ES256","kid":"m"}`), "no key of the issuer fits")
		// The right key under another kid does not count, nor the right kid of another type.
		keys = keySet(jwk(t, "rsa", object{"kid": "k"}), jwk(t, "P-256", object{"kid": "l"}))
		assertRefused(t, judge(keys, `{"alg":"ES256","kid":"k"}`), "no key of the issuer fits")
		keys = keySet(strangers, jwk(t, "P-256", object{"kid": "l"}))
		assertRefused(t, judge(keys, `{"alg":"ES256","kid":"k"}`), "does not verify")
		refused(t, with(t, "rfc7515-a3", object{"kid": 1}), "kid is not a string")
	})
	t.Run("4.6 to 4.9 certificates", func(t *testing.T) {
		// They are not looked at, whatever they are: the key is the one in the members of its type.
		plain := usable(t, with(t, "rfc7515-a3", nil))[0]
		for _, change := range []object{
			{"x5c": []string{"not base64 at all", "MIIB"}}, {"x5c": 1}, {"x5u": "https://evil.example/cert.pem"},
			{"x5t": "AAAA"}, {"x5t#S256": []int{1}},
		} {
			got := usable(t, with(t, "rfc7515-a3", change))[0]
			assert.Equal(t, plain.spki, got.spki)
			assert.Equal(t, plain.algorithms, got.algorithms)
		}
		refused(t, object{"kty": "EC", "x5c": []string{"MIIB"}}, "no crv")
	})
	t.Run("5 sets", func(t *testing.T) {
		// Unknown members of the set and of a key change nothing; order does not either.
		v, err := jsonstrict.Parse(mustJSON(t, object{"extra": 1, "keys": []any{with(t, "rfc7515-a3", object{"d2": object{"keys": []any{}}})}}))
		require.NoError(t, err)
		keys, err := ParseKeys(v)
		require.NoError(t, err)
		assert.Len(t, keys, 1)
		for _, text := range []string{
			`{}`, `{"keys":null}`, `{"keys":{}}`, `{"keys":"[]"}`, `{"keys":[]}`, `{"Keys":[]}`, `{"keys":[[]]}`, `{"keys":[null]}`,
			`[]`, `"x"`, `null`,
		} {
			v, err := jsonstrict.Parse(text)
			require.NoError(t, err)
			_, err = ParseKeys(v)
			assert.Error(t, err, text)
		}
		// Two readers of one document with a name twice may see two keys.
		k := mustJSON(t, with(t, "rfc7515-a3", nil))
		twice := `{"keys":[` + strings.Replace(k, `{`, `{"x":"AAAA",`, 1) + `]}`
		_, err = jsonstrict.Parse(twice)
		var duplicate *jsonstrict.DuplicateError
		require.ErrorAs(t, err, &duplicate)
		_, err = Decode([]byte(`{"providers": {"corp": {"issuer": "i", "jwks": ` + twice + `}}}`))
		assert.ErrorContains(t, err, `has the member "x" twice`)
		// The bound counts what is listed, usable or not.
		many := slices.Repeat([]map[string]any{{"kty": "AKP"}}, MaxKeys)
		_, err = parseSet(t, append(many[1:], with(t, "rfc7515-a3", nil))...)
		assert.NoError(t, err)
		_, err = parseSet(t, append(many, with(t, "rfc7515-a3", nil))...)
		assert.ErrorContains(t, err, "more than 64 keys")
	})
	t.Run("9.2 private members", func(t *testing.T) {
		// They are no business of the filter's, which neither needs nor keeps them. It does not refuse them: RFC 7517 has
		// sets with both halves, and who can read the configuration has read them already.
		for _, name := range []string{"rfc7515-a2", "rfc7515-a3", "rfc6979-a2.6", "rfc7515-a4", "rfc8037-a1"} {
			private := rfcJWK(t, name, true)
			require.Contains(t, private, "d")
			got, public := usable(t, private)[0], usable(t, rfcJWK(t, name, false))[0]
			assert.Equal(t, public, got, name)
			private["d"], private["p"], private["oth"] = 1, "?", true
			assert.Equal(t, public, usable(t, private)[0], "what they are is not looked at")
		}
	})
}

// What is wrong with a key is told without the key: the message goes into logs.
func TestMistakesRepeatNoKey(t *testing.T) {
	const marker = "zzmarkerzz"
	for _, k := range []object{
		{"kty": "oct", "k": marker}, {"kty": "oct", "k": marker + "="}, {"kty": "oct", "k": marker, "alg": "HS512"},
		{"kty": "RSA", "n": marker, "e": marker}, {"kty": "EC", "crv": "P-256", "x": marker, "y": marker, "d": marker},
		{"kty": "OKP", "crv": "Ed25519", "x": marker}, {"kty": object{marker: marker}}, {"kty": "EC", "use": []string{marker}},
	} {
		_, err := parseSet(t, k)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), marker)
		assert.NotContains(t, mistake(t, object{"algorithms": AlgorithmNames, "jwks": keySet(k)}), marker)
	}
}

// Key material, by the sections of RFC 7518 and RFC 8037.
func TestRFC7518Keys(t *testing.T) {
	refused := func(t *testing.T, k object, what string) {
		t.Helper()
		_, err := parseSet(t, k)
		assert.ErrorContains(t, err, what)
	}
	accepted := func(t *testing.T, k object) {
		t.Helper()
		_, err := parseSet(t, k)
		assert.NoError(t, err)
	}
	curves := map[string]struct {
		crv  string
		alg  Algorithm
		size int
	}{"rfc7515-a3": {"P-256", ES256, 32}, "rfc6979-a2.6": {"P-384", ES384, 48}, "rfc7515-a4": {"P-521", ES512, 66}}

	t.Run("6.2.1.1 crv", func(t *testing.T) {
		for name, c := range curves {
			accepted(t, with(t, name, nil))
			refused(t, with(t, name, object{"crv": nil}), "no crv")
			refused(t, with(t, name, object{"crv": 256}), "no crv")
			for _, crv := range []string{"p-256", "P256", "secp256k1", "prime256v1", "Ed25519", "X25519", ""} {
				refused(t, with(t, name, object{"crv": crv}), "no key is usable")
			}
			for _, other := range curves {
				if other.crv != c.crv {
					refused(t, with(t, name, object{"crv": other.crv}), "x and y of "+other.crv)
				}
			}
		}
	})
	t.Run("6.2.1.2 x and 6.2.1.3 y", func(t *testing.T) {
		for name, c := range curves {
			k := with(t, name, nil)
			x, y := mustDecode(k["x"].(string)), mustDecode(k["y"].(string))
			for _, size := range []int{0, 1, c.size - 1, c.size + 1, 2 * c.size} {
				padded := append(make([]byte, 2*c.size), x...)
				padded = padded[len(padded)-size:]
				refused(t, with(t, name, object{"x": b64(padded)}), "have ")
				refused(t, with(t, name, object{"y": b64(padded)}), "have ")
			}
			// y of P-521 starts with a zero, which belongs to it.
			refused(t, with(t, name, object{"y": b64(new(big.Int).SetBytes(y).Bytes()[1:])}), "have ")
			refused(t, with(t, name, object{"x": k["y"], "y": k["x"]}), "not a point of "+c.crv)
			refused(t, with(t, name, object{"x": b64(make([]byte, c.size)), "y": b64(make([]byte, c.size))}), "not a point of "+c.crv)
			// The same point, with a coordinate that is not reduced: no field element.
			over := new(big.Int).Add(curveOf(c.alg).Params().P, new(big.Int).SetBytes(x))
			if over.BitLen() <= 8*c.size {
				refused(t, with(t, name, object{"x": b64(over.FillBytes(make([]byte, c.size)))}), "not a point of "+c.crv)
			}
			// The other root is another key, and a proper one.
			negative := new(big.Int).Sub(curveOf(c.alg).Params().P, new(big.Int).SetBytes(y))
			accepted(t, with(t, name, object{"y": b64(negative.FillBytes(make([]byte, c.size)))}))
			for _, bad := range []string{k["x"].(string) + "=", k["x"].(string) + "\n", "+" + k["x"].(string)[1:], "é"} {
				refused(t, with(t, name, object{"x": bad}), "x is not base64url")
			}
			refused(t, with(t, name, object{"x": nil}), "no x")
			refused(t, with(t, name, object{"y": 1}), "no y")
		}
	})
	t.Run("6.3.1.1 n", func(t *testing.T) {
		modulus := func(bits int, low byte) object {
			n := make([]byte, (bits+7)/8)
			n[0], n[len(n)-1] = 1<<((bits-1)%8), low
			return with(t, "rfc7515-a2", object{"n": b64(n)})
		}
		for _, bits := range []int{2048, 2049, 3072, 4096, 8192} {
			accepted(t, modulus(bits, 1))
			refused(t, modulus(bits, 2), "n is not the modulus of an RSA key") // even
		}
		for _, bits := range []int{512, 1024, 2040, 2047} {
			refused(t, modulus(bits, 1), "an RSA key of ")
		}
		for _, bits := range []int{8193, 16384, 40000} {
			refused(t, modulus(bits, 1), "2048 to 8192 are accepted")
		}
		// "Implementers ... MUST NOT include" the leading zero of an ASN.1 integer.
		n := mustDecode(rfcJWK(t, "rfc7515-a2", false)["n"].(string))
		refused(t, with(t, "rfc7515-a2", object{"n": b64(append([]byte{0}, n...))}), "n is not the modulus")
		refused(t, with(t, "rfc7515-a2", object{"n": ""}), "n is not the modulus")
		refused(t, with(t, "rfc7515-a2", object{"n": nil}), "no n")
	})
	t.Run("6.3.1.2 e", func(t *testing.T) {
		for _, e := range [][]byte{{3}, {17}, {1, 0, 1}, {0x7f, 0xff, 0xff, 0xff}} {
			accepted(t, with(t, "rfc7515-a2", object{"e": b64(e)}))
		}
		for _, e := range [][]byte{
			{}, {0}, {1}, {2}, {4}, {0, 3}, {0, 1, 0, 1}, {1, 0, 0}, {0x80, 0, 0, 1}, {1, 0, 0, 0, 1}, slices.Repeat([]byte{0xff}, 256),
		} {
			refused(t, with(t, "rfc7515-a2", object{"e": b64(e)}), "e is not the exponent of an RSA key")
		}
		// With e = 1 a signature is the padded hash itself: this forgery must have no key to be checked with.
		refused(t, with(t, "rfc7515-a2", object{"e": "AQ"}), "e is not the exponent")
	})
	t.Run("6.4.1 k", func(t *testing.T) {
		for size, want := range map[int]algorithmSet{
			32: set(HS256), 47: set(HS256), 48: set(HS256, HS384), 63: set(HS256, HS384),
			64: set(HS256, HS384, HS512), 100: set(HS256, HS384, HS512),
		} {
			keys, err := parseSet(t, object{"kty": "oct", "k": b64(make([]byte, size))})
			require.NoError(t, err)
			assert.Equal(t, want, keys[0].algorithms, size)
		}
		for _, size := range []int{0, 1, 16, 31} {
			refused(t, object{"kty": "oct", "k": b64(make([]byte, size))}, "HS256 needs 32")
		}
		refused(t, object{"kty": "oct"}, "no k")
		refused(t, object{"kty": "oct", "k": "pass phrase that is long enough for anything"}, "k is not base64url")
	})
	t.Run("RFC 8037 2", func(t *testing.T) {
		accepted(t, with(t, "rfc8037-a1", nil))
		for _, crv := range []string{"ed25519", "Ed448", "X25519", "X448", "P-256", ""} {
			refused(t, with(t, "rfc8037-a1", object{"crv": crv}), "no key is usable")
		}
		for _, size := range []int{0, 31, 33, 57, 64} {
			refused(t, with(t, "rfc8037-a1", object{"x": b64(make([]byte, size))}), "x of Ed25519 has 32 bytes")
		}
		refused(t, with(t, "rfc8037-a1", object{"x": nil}), "no x")
		refused(t, with(t, "rfc8037-a1", object{"crv": nil}), "no crv")
	})
}

// Weak keys that are in a set make no signature of theirs count, as they make no configuration.
func TestASetWithAWeakKeyIsRefusedWhole(t *testing.T) {
	weak := mistake(t, object{"jwks": keySet(jwk(t, "P-256", nil), jwk(t, "weak", nil))})
	assert.Contains(t, weak, "$.providers.corp.jwks: keys[1]: an RSA key of 1024 bits")
	// HS512 with a key that is long enough for HS256 only.
	p := object{"algorithms": []string{"HS256", "HS512"}, "jwks": keySet(object{"kty": "oct", "k": b64(secret)})}
	assertAccepted(t, decide(t, verifier(t, p, nil), bearing(sign(t, jose.HS256, claimsFor(nil))), now))
	input := b64([]byte(`{"alg":"HS512"}`)) + "." + b64([]byte(mustJSON(t, claimsFor(nil))))
	forged := input + "." + b64(hmacOf(algorithms[HS512].hash, secret, input))
	assertRefused(t, decide(t, verifier(t, p, nil), bearing(forged), now), "no key of the issuer fits the token")
}

// RFC 7518 section 3.5: "the size of the salt value is the same size as the hash function output". crypto/rsa finds out
// the length by itself unless it is told, and so do other libraries.
func TestRFC7518PSSSalt(t *testing.T) {
	b := newBreeder(t)
	key, err := parseSet(t, rfcJWK(t, "rfc7515-a2", false))
	require.NoError(t, err)
	public := &b.private["rfc7515-a2"].(*rsa.PrivateKey).PublicKey
	for a := PS256; a <= PS512; a++ {
		hash := algorithms[a].hash
		for _, length := range []int{-1, 0, 8, 20, 32, 48, 64, 100} {
			signature := b.salted(a, "text", length)
			if length == 0 {
				// SignPSS takes 0 for the longest; VerifyPSS takes it for any. What has none is made by hand.
				signature = saltless(t, b.private["rfc7515-a2"].(*rsa.PrivateKey), hash, "text")
			}
			require.NoError(t, rsa.VerifyPSS(public, hash, digest(hash, "text"), signature, &rsa.PSSOptions{}), "%s, %d", a, length)
			err := checkSignature(InWasm{}, a, key[0], "text", signature)
			if length == hash.Size() {
				assert.NoError(t, err, "%s, %d", a, length)
			} else {
				assert.ErrorIs(t, err, ErrForged, "%s, %d", a, length)
			}
		}
	}
}

// saltless is the encoding of RFC 8017 section 9.1.1 with an empty salt, under the private key's exponent.
func saltless(t testing.TB, key *rsa.PrivateKey, hash crypto.Hash, text string) []byte {
	t.Helper()
	size := key.Size()
	h := digest(hash, string(make([]byte, 8))+string(digest(hash, text)))
	db := make([]byte, size-len(h)-1)
	db[len(db)-1] = 1
	var mask []byte
	for counter := byte(0); len(mask) < len(db); counter++ {
		mask = append(mask, digest(hash, string(h)+string([]byte{0, 0, 0, counter}))...)
	}
	for i := range db {
		db[i] ^= mask[i]
	}
	db[0] &= 0x7f
	em := append(append(db, h...), 0xbc)
	return new(big.Int).Exp(new(big.Int).SetBytes(em), key.D, key.N).FillBytes(make([]byte, size))
}
