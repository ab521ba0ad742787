package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"
	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/hosttest"
)

// rfcExamples are what testdata/rfc/jws.yaml holds.
type rfcExamples struct {
	Keys    map[string]map[string]string // JWKs with their private members, where the RFC prints them
	Signed  []rfcExample
	Refused []rfcExample
}

type rfcExample struct {
	Name      string
	Key       string
	Algorithm string
	Refused   string // "": the payload is a claims set
	Token     string
}

var loadRFC = sync.OnceValues(func() (*rfcExamples, error) {
	text, err := os.ReadFile("../testdata/rfc/jws.yaml")
	if err != nil {
		return nil, err
	}
	e := &rfcExamples{}
	if err := yaml.UnmarshalWithOptions(text, e, yaml.Strict()); err != nil {
		return nil, err
	}
	for _, k := range e.Keys {
		for name, v := range k {
			k[name] = unfold(v)
		}
	}
	for _, list := range [][]rfcExample{e.Signed, e.Refused} {
		for i := range list {
			list[i].Token = unfold(list[i].Token)
		}
	}
	return e, nil
})

// unfold takes out the line breaks that are in the RFCs' text only.
func unfold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func rfc(t testing.TB) *rfcExamples {
	t.Helper()
	e, err := loadRFC()
	require.NoError(t, err)
	require.NotEmpty(t, e.Keys)
	require.NotEmpty(t, e.Signed)
	require.NotEmpty(t, e.Refused)
	return e
}

// rfcJWK is a key as it is printed, "private", or what an issuer would publish of it.
func rfcJWK(t testing.TB, name string, private bool) object {
	t.Helper()
	k, ok := rfc(t).Keys[name]
	require.True(t, ok, name)
	out := object{}
	for member, v := range k {
		if private || !strings.Contains(" d p q ", " "+member+" ") {
			out[member] = v
		}
	}
	return out
}

// rfcPrivate is what go-jose signs with.
func rfcPrivate(t testing.TB, name string) any {
	t.Helper()
	var k jose.JSONWebKey
	require.NoError(t, k.UnmarshalJSON([]byte(mustJSON(t, rfcJWK(t, name, true)))))
	require.NotNil(t, k.Key, name)
	return k.Key
}

// nativeHost is Envoy's verify_signature, as far as hosttest has it.
func nativeHost() OnHost {
	forged := errors.New("forged")
	return OnHost{Forged: forged, Check: func(hash string, publicKey, signature []byte, text string) error {
		var argument []byte
		for i, field := range [][]byte{[]byte(hash), publicKey, signature, []byte(text)} {
			argument = append(argument, byte(i+1)<<3|2)
			argument = binary.AppendUvarint(argument, uint64(len(field)))
			argument = append(argument, field...)
		}
		answer, err := hosttest.VerifySignature(argument)
		if err == nil && len(answer) == 0 {
			err = forged
		}
		return err
	}}
}

// bothSignatures are the ways in which the filter checks signatures.
func bothSignatures() map[string]Signatures {
	return map[string]Signatures{"in Wasm": InWasm{}, "on the host": nativeHost()}
}

// The signatures that the RFCs print verify, and nothing close to them does.
func TestRFCSignatures(t *testing.T) {
	for _, e := range rfc(t).Signed {
		t.Run(e.Name, func(t *testing.T) {
			alg, known := ParseAlgorithm(e.Algorithm)
			require.True(t, known)
			parts := strings.Split(e.Token, ".")
			require.Len(t, parts, 3)
			header, err := decode64(parts[0])
			require.NoError(t, err)
			var read struct{ Alg, Kid string }
			require.NoError(t, json.Unmarshal(header, &read))
			require.Equal(t, e.Algorithm, read.Alg)
			signed := parts[0] + "." + parts[1]
			signature, err := decode64(parts[2])
			require.NoError(t, err)

			// The private members that RFC 7517 section 5 lets a set have change nothing.
			for _, private := range []bool{false, true} {
				keys, err := parseSet(t, rfcJWK(t, e.Key, private))
				require.NoError(t, err)
				require.Len(t, keys, 1)
				require.True(t, keys[0].algorithms.has(alg))
				require.Equal(t, read.Kid, keys[0].id)
				for name, s := range bothSignatures() {
					require.NoError(t, checkSignature(s, alg, keys[0], signed, signature), name)
					for i := range signature {
						changed := append([]byte(nil), signature...)
						changed[i] ^= 0x10
						require.ErrorIs(t, checkSignature(s, alg, keys[0], signed, changed), ErrForged, "%s, byte %d", name, i)
					}
					for _, other := range []string{"", signed[1:], signed + "A", parts[0] + ".", "." + parts[1], signed + "." + parts[2]} {
						require.ErrorIs(t, checkSignature(s, alg, keys[0], other, signature), ErrForged, "%s: %s", name, other)
					}
				}
			}
		})
	}
}

// Nobody's example verifies with the key of another.
func TestRFCSignaturesWithOtherKeys(t *testing.T) {
	for _, e := range rfc(t).Signed {
		alg, _ := ParseAlgorithm(e.Algorithm)
		token := strings.Split(e.Token, ".")
		signature, err := decode64(token[2])
		require.NoError(t, err)
		for name := range rfc(t).Keys {
			keys, err := parseSet(t, rfcJWK(t, name, false))
			require.NoError(t, err)
			if name == e.Key || !keys[0].algorithms.has(alg) {
				continue
			}
			for how, s := range bothSignatures() {
				assert.ErrorIs(t, checkSignature(s, alg, keys[0], token[0]+"."+token[1], signature), ErrForged, "%s, %s, %s", e.Name, name, how)
			}
		}
	}
}

// rfcVerifier trusts the key of an example for the issuer of RFC 7515's claims, and any algorithm.
func rfcVerifier(t testing.TB, key string, change object) *Verifier {
	t.Helper()
	p := object{"issuer": "joe", "algorithms": AlgorithmNames, "jwks": object{"keys": []any{rfcJWK(t, key, false)}}}
	maps.Copy(p, change)
	return compile(t, object{"providers": object{"corp": p}})
}

// What the examples of RFC 7515 and RFC 7519 section 3.1 come to as tokens of requests.
func TestRFCTokens(t *testing.T) {
	expires := time.Unix(1300819380, 0) // exp of the claims
	accepted := 0
	for _, e := range rfc(t).Signed {
		t.Run(e.Name, func(t *testing.T) {
			before := expires.Add(-time.Second)
			res := decide(t, rfcVerifier(t, e.Key, nil), bearing(e.Token), before)
			if e.Refused != "" {
				assert.EqualValues(t, 401, res.Status)
				assert.Equal(t, e.Refused, res.Reason)
				return
			}
			accepted++
			require.EqualValues(t, 200, res.Status, res.Reason)
			assert.JSONEq(t, `{"corp": {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": true}}`, res.Claims)
			assert.Empty(t, res.Principal, "there is no sub")

			for reason, c := range map[string]struct {
				provider object
				at       time.Time
			}{
				"the token has expired":                   {object{"clockSkew": "0s"}, expires},
				"the token's algorithm is not accepted":   {object{"algorithms": []string{"EdDSA", e.Algorithm[:2] + "384"}}, before},
				"the token's issuer is not accepted":      {object{"issuer": "Joe"}, before},
				"the token is for another audience":       {object{"audiences": []string{"database"}}, before},
				"the token's subject is not accepted":     {object{"subjects": []string{"*"}}, before},
				"the token's type is not accepted":        {object{"types": []string{"at+jwt"}}, before},
				"the token is not bound to a certificate": {object{"certificateBound": "required"}, before},
			} {
				if strings.HasPrefix(reason, "the token's algorithm") {
					// Some key must fit what is accepted.
					c.provider["jwks"] = object{"keys": []any{rfcJWK(t, e.Key, false), rfcJWK(t, "rfc8037-a1", false)}}
				}
				res := decide(t, rfcVerifier(t, e.Key, c.provider), bearing(e.Token), c.at)
				assert.EqualValues(t, 401, res.Status)
				assert.Equal(t, reason, res.Reason)
				assert.Empty(t, res.Claims)
			}
		})
	}
	assert.Equal(t, 3, accepted, "RFC 7515 A.1 to A.3")
}

// HS256 must be asked for, even where the key is there.
func TestRFCHMACIsNotADefault(t *testing.T) {
	e := rfc(t).Signed[0]
	require.Equal(t, "HS256", e.Algorithm)
	v := rfcVerifier(t, e.Key, object{"algorithms": []string{"EdDSA"},
		"jwks": object{"keys": []any{rfcJWK(t, e.Key, false), rfcJWK(t, "rfc8037-a1", false)}}})
	res := decide(t, v, bearing(e.Token), time.Unix(1300819379, 0))
	assert.EqualValues(t, 401, res.Status)
	assert.Equal(t, "the token's algorithm is not accepted", res.Reason)
}

// A JWS that is no JWT in compact serialization is refused, although the key is trusted and its signature right:
// RFC 7515 section 7.2, RFC 7519 section 3.
func TestRFCFormsThatAreRefused(t *testing.T) {
	for _, e := range rfc(t).Refused {
		t.Run(e.Name, func(t *testing.T) {
			token, err := ParseToken(e.Token)
			assert.Nil(t, token)
			require.Error(t, err)
			assert.Equal(t, e.Refused, err.Error())
			res := decide(t, rfcVerifier(t, e.Key, nil), bearing(e.Token), time.Unix(1300819379, 0))
			assert.EqualValues(t, 401, res.Status)
			assert.False(t, res.Missing)
			assert.Empty(t, res.Claims)
			assert.Empty(t, res.Set)
		})
	}
}

// RFC 7797 section 7: a JWT's payload is always encoded, whether crit says that b64 counts or not. Who heeds b64 without
// it would read another payload under the same signature.
func TestRFC7797IsNotForTokens(t *testing.T) {
	key := rfcPrivate(t, "rfc7515-a3").(*ecdsa.PrivateKey)
	v := rfcVerifier(t, "rfc7515-a3", nil)
	for header, reason := range map[string]string{
		`{"alg":"ES256"}`:                              "the token is valid",
		`{"alg":"ES256","b64":true}`:                   "the token is valid",
		`{"alg":"ES256","b64":false}`:                  "the token's header says that the payload is not encoded",
		`{"alg":"ES256","b64":"true"}`:                 "the token's header says that the payload is not encoded",
		`{"alg":"ES256","b64":null}`:                   "the token's header says that the payload is not encoded",
		`{"alg":"ES256","crit":["b64"],"b64":true}`:    "the token's header has critical extensions",
		`{"alg":"ES256","\u0062\u0036\u0034":false}`:   "the token's header says that the payload is not encoded",
		`{"alg":"ES256","b64":true,"\u0062\u00364":0}`: "the token's header is not one unambiguous JSON object",
	} {
		input := b64([]byte(header)) + "." + b64([]byte(`{"iss":"joe","exp":1300819380}`))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest(crypto.SHA256, input))
		require.NoError(t, err)
		signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		res := decide(t, v, bearing(input+"."+b64(signature)), time.Unix(1300819379, 0))
		assert.Equal(t, reason, res.Reason, header)
		assert.Equal(t, reason == "the token is valid", res.Status == 200, header)
	}
}
