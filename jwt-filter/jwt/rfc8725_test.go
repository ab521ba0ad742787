package jwt

import (
	"crypto"
	"maps"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mistake is what a configuration of one provider is refused for, "" if it is not.
func mistake(t testing.TB, provider object) string {
	t.Helper()
	p := object{"issuer": issuer, "jwks": allKeys(t)}
	maps.Copy(p, provider)
	if _, err := Decode([]byte(mustJSON(t, object{"providers": object{"corp": p}}))); err != nil {
		return err.Error()
	}
	return ""
}

func keySet(keys ...map[string]any) object { return object{"keys": keys} }

// The best current practices of RFC 8725 section 3, each by its number and title.
func TestRFC8725(t *testing.T) {
	b := newBreeder(t)
	// strange judges a token of any header and payload that is signed by a key the provider trusts.
	strange := func(t *testing.T, header, payload string) Result {
		t.Helper()
		p := object{"jwks": keySet(rfcJWK(t, "rfc7515-a3", false))}
		return decide(t, verifier(t, p, nil), bearing(b.sign(t, ES256, header, payload)), now)
	}
	const es256 = `{"alg":"ES256"}`

	t.Run("3.1 perform algorithm verification", func(t *testing.T) {
		one := object{"algorithms": []string{"ES256"}}
		assertAccepted(t, verdictOf(t, one, nil, now))
		for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES384, jose.EdDSA, jose.HS256} {
			token := bearing(sign(t, alg, claimsFor(nil)))
			assertRefused(t, decide(t, verifier(t, one, nil), token, now), "algorithm is not accepted")
		}
		// Each key with one algorithm exactly: the key's alg counts, not the token's.
		p := object{"jwks": keySet(jwk(t, "rsa", object{"alg": "PS256"}))}
		assertAccepted(t, decide(t, verifier(t, p, nil), bearing(sign(t, jose.PS256, claimsFor(nil))), now))
		for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS384} {
			assertRefused(t, decide(t, verifier(t, p, nil), bearing(sign(t, alg, claimsFor(nil))), now), "no key of the issuer fits")
		}
		// Section 2.1: the public RSA key is no secret. TestEveryAlgorithmInPlaceOfEachOther has every combination.
		spki := b.public["rfc7515-a2"]
		both := object{"algorithms": []string{"RS256", "HS256"},
			"jwks": keySet(rfcJWK(t, "rfc7515-a2", false), object{"kty": "oct", "k": b64(secret)})}
		input := b64([]byte(`{"alg":"HS256"}`)) + "." + b64([]byte(seedClaims))
		confused := input + "." + b64(hmacOf(crypto.SHA256, spki, input))
		assertRefused(t, decide(t, verifier(t, both, nil), bearing(confused), now), "does not verify")
		right := input + "." + b64(hmacOf(crypto.SHA256, secret, input))
		assertAccepted(t, decide(t, verifier(t, both, nil), bearing(right), now))
	})

	t.Run("3.2 use appropriate algorithms", func(t *testing.T) {
		for _, alg := range []string{"none", "None", "nOnE", "NONE", "", "RS1", "ES256K", "RSA1_5", "HS256 ", "es256"} {
			token := bearing(compact(`{"alg":"`+alg+`"}`, seedClaims, "s"))
			assertRefused(t, decide(t, verifier(t, nil, nil), token, now), "no known algorithm")
			assert.Contains(t, mistake(t, object{"algorithms": []string{alg}}), "$.providers.corp.algorithms[0]")
		}
		assertRefused(t, decide(t, verifier(t, nil, nil), bearing(compact(`{"alg":"none"}`, seedClaims, "")), now), "no known algorithm")
		assertRefused(t, decide(t, verifier(t, nil, nil), bearing(compact(es256, seedClaims, "")), now), "signature is empty")
		// MACs are not appropriate where the issuer is somebody else: only who lists them gets them.
		assertRefused(t, decide(t, verifier(t, nil, nil), bearing(sign(t, jose.HS256, claimsFor(nil))), now), "algorithm is not accepted")
		assert.Contains(t, mistake(t, object{"jwks": keySet(object{"kty": "oct", "k": b64(secret)})}), "no key fits the provider's algorithms")
		hs := object{"algorithms": []string{"HS256"}, "jwks": keySet(object{"kty": "oct", "k": b64(secret)})}
		assertAccepted(t, decide(t, verifier(t, hs, nil), bearing(sign(t, jose.HS256, claimsFor(nil))), now))
		// "libraries SHOULD opt for deterministic ECDSA" concerns who signs; the filter does not.
	})

	t.Run("3.3 validate all cryptographic operations", func(t *testing.T) {
		token := sign(t, jose.ES256, claimsFor(nil))
		assertAccepted(t, decide(t, verifier(t, nil, nil), bearing(token), now))
		parts := strings.Split(token, ".")
		for i := range parts {
			changed := append([]string(nil), parts...)
			decoded := mustDecode(parts[i])
			decoded[len(decoded)/2] ^= 1
			changed[i] = b64(decoded)
			res := decide(t, verifier(t, nil, nil), bearing(strings.Join(changed, ".")), now)
			assert.EqualValues(t, 401, res.Status, "part %d", i)
			assert.Empty(t, res.Claims)
		}
		// Of a nested JWT both operations would have to be validated: there is no nesting, and so no inner token that is
		// taken for an outer one's word. Neither is there encryption.
		assertRefused(t, strange(t, `{"alg":"ES256","cty":"JWT"}`, token), "payload is not one unambiguous JSON object")
		assertRefused(t, strange(t, `{"alg":"ES256","cty":"JWT"}`, `"`+token+`"`), "payload is not one unambiguous JSON object")
		assertRefused(t, decide(t, verifier(t, nil, nil), bearing(encrypted(t, claimsFor(nil))), now), "three parts")
		// Of several tokens, one that fails fails the request.
		forged := parts[0] + "." + parts[1] + "." + b64(make([]byte, 64))
		assertRefused(t, decide(t, verifier(t, nil, nil), bearing(token, forged), now), "does not verify")
		// A check that cannot be made is no acceptance.
		fails := OnHost{Check: func(string, []byte, []byte, string) error { return assert.AnError }, Forged: ErrForged}
		decoded, err := Decode([]byte(mustJSON(t, object{"providers": object{"corp": object{"issuer": issuer, "jwks": allKeys(t)}}})))
		require.NoError(t, err)
		assert.EqualValues(t, 503, decide(t, New(decoded, fails), bearing(token), now).Status)
	})

	t.Run("3.4 validate cryptographic inputs", func(t *testing.T) {
		// Points that are not on the curve, where the keys are read; signatures out of range, before the arithmetic.
		assert.Empty(t, mistake(t, object{"jwks": keySet(jwk(t, "P-256", nil))}))
		off := jwk(t, "P-256", object{"x": jwk(t, "P-256", nil)["y"]})
		assert.Contains(t, mistake(t, object{"jwks": keySet(off)}), "x and y are not a point of P-256")
		for name, signature := range map[string][]byte{
			"zero":      make([]byte, 64),
			"the order": append(curveOf(ES256).Params().N.Bytes(), curveOf(ES256).Params().N.Bytes()...),
			"all ones":  []byte(strings.Repeat("\xff", 64)),
			"short":     make([]byte, 63),
			"long":      make([]byte, 65),
		} {
			t.Run(name, func(t *testing.T) {
				forged := b64([]byte(es256)) + "." + b64([]byte(seedClaims)) + "." + b64(signature)
				assertRefused(t, decide(t, verifier(t, nil, nil), bearing(forged), now), "does not verify")
			})
		}
	})

	t.Run("3.5 ensure cryptographic keys have sufficient entropy", func(t *testing.T) {
		hs := func(alg string, k []byte) string {
			return mistake(t, object{"algorithms": []string{alg}, "jwks": keySet(object{"kty": "oct", "k": b64(k)})})
		}
		// A password is not a key: RFC 7518 section 3.2 asks for as many bytes as the hash has.
		assert.Contains(t, hs("HS256", []byte("correct horse battery staple")), "an oct key of 28 bytes; HS256 needs 32")
		for alg, size := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
			assert.Empty(t, hs(alg, make([]byte, size)), alg)
			assert.NotEmpty(t, hs(alg, make([]byte, size-1)), alg)
		}
		assert.Contains(t, mistake(t, object{"jwks": keySet(jwk(t, "weak", nil))}), "an RSA key of 1024 bits; 2048 to 8192 are accepted")
		assert.Empty(t, mistake(t, object{"jwks": keySet(jwk(t, "rsa", nil))}))
	})

	t.Run("3.6 avoid compression of encryption inputs", func(t *testing.T) {
		// Nothing is encrypted here, and nothing is ever decompressed: a zip header changes nothing of a signed token
		// (RFC 7516 section 4.1.3 has it for JWE only), and a compressed payload is no JSON.
		assertAccepted(t, strange(t, `{"alg":"ES256","zip":"DEF"}`, seedClaims))
		deflated := "\xaa\x56\xca\x2c\x2e\x56\xb2\x52\xca\x28\x29\x29\x28\xb6\xd2\xd7\x07\x00"
		assertRefused(t, strange(t, `{"alg":"ES256","zip":"DEF"}`, deflated), "payload is not one unambiguous JSON object")
	})

	t.Run("3.7 use UTF-8", func(t *testing.T) {
		assertAccepted(t, strange(t, `{"alg":"ES256","a":"é"}`, `{"name":"Grüße 🙂",`+seedClaims[1:]))
		for name, text := range map[string]string{
			"Latin-1":                `"a":"` + "\xe9" + `"`,
			"an overlong slash":      `"a":"` + "\xc0\xaf" + `"`,
			"a surrogate":            `"a":"` + "\xed\xa0\x80" + `"`,
			"an escaped surrogate":   `"a":"\ud800"`,
			"beyond the last letter": `"a":"` + "\xf4\x90\x80\x80" + `"`,
		} {
			t.Run(name, func(t *testing.T) {
				assertRefused(t, strange(t, `{"alg":"ES256",`+text+`}`, seedClaims), "header is not one unambiguous")
				assertRefused(t, strange(t, es256, `{`+text+`,`+seedClaims[1:]), "payload is not one unambiguous")
			})
		}
		utf16 := "\xff\xfe{\x00}\x00"
		assertRefused(t, strange(t, es256, utf16), "payload is not one unambiguous")
		assertRefused(t, strange(t, es256, "\xef\xbb\xbf"+seedClaims), "payload is not one unambiguous") // a byte order mark
	})

	t.Run("3.8 validate issuer and subject", func(t *testing.T) {
		assertAccepted(t, verdictOf(t, object{"subjects": []string{"alice"}}, nil, now))
		assertRefused(t, verdictOf(t, object{"subjects": []string{"alice"}}, object{"sub": "Alice"}, now), "subject is not accepted")
		assertRefused(t, verdictOf(t, object{"subjects": []string{"alice"}}, object{"sub": nil}, now), "subject is not accepted")
		assertRefused(t, verdictOf(t, nil, object{"iss": nil}, now), "issuer is not accepted")
		assertRefused(t, verdictOf(t, nil, object{"iss": "https://evil.example"}, now), "issuer is not accepted")
		// "cryptographic keys used ... belong to the issuer": another trusted issuer's key does not speak for this one.
		v := compile(t, object{"providers": object{
			"corp":    object{"issuer": issuer, "jwks": keySet(jwk(t, "P-256", nil))},
			"partner": object{"issuer": "https://partner.example", "jwks": keySet(rfcJWK(t, "rfc7515-a3", false))},
		}})
		partner := func(iss string) Result {
			return decide(t, v, bearing(b.sign(t, ES256, es256, strings.Replace(seedClaims, issuer, iss, 1))), now)
		}
		res := partner("https://partner.example")
		assertAccepted(t, res)
		assert.Equal(t, "https://partner.example/alice", res.Principal)
		assertRefused(t, partner(issuer), "does not verify")
		assertRefused(t, partner("https://evil.example"), "issuer is not accepted")
	})

	t.Run("3.9 use and validate audience", func(t *testing.T) {
		p := object{"audiences": []string{"database"}}
		assertAccepted(t, verdictOf(t, p, object{"aud": "database"}, now))
		assertAccepted(t, verdictOf(t, p, object{"aud": []string{"web", "database"}}, now))
		for _, aud := range []any{nil, "web", "Database", "database/", []string{}, []string{"web"}, "*", "databas", ""} {
			assertRefused(t, verdictOf(t, p, object{"aud": aud}, now), "another audience")
		}
		// Where audiences is absent nothing is checked, as in Envoy's jwt_authn and Istio: the filter cannot know what its
		// service calls itself. profile rfc9068 does not start without it (see TestRFC9068).
		assertAccepted(t, verdictOf(t, nil, object{"aud": "web"}, now))
		assert.Contains(t, mistake(t, object{"audiences": []string{}}), "the list is empty")
	})

	t.Run("3.10 do not trust received claims", func(t *testing.T) {
		p := object{"jwks": keySet(jwk(t, "P-256", object{"kid": "k1"}))}
		for kid, status := range map[string]uint32{
			"k1": 200, "K1": 401, "k1\x00": 401, "' OR 1=1 --": 401, "../../../dev/null": 401, "http://evil.example/k": 401,
		} {
			header := object{"alg": "ES256", "kid": kid}
			res := decide(t, verifier(t, p, nil), bearing(signRaw(t, mustJSON(t, header), mustJSON(t, claimsFor(nil)))), now)
			assert.Equal(t, status, res.Status, kid)
			assert.NotContains(t, res.Reason, "evil")
		}
		// jku, x5u, jwk and x5c bring no key, and a token with them is otherwise a token like any other.
		stranger := rfcJWK(t, "rfc7515-a3", false)
		for member, v := range map[string]any{
			"jwk": stranger, "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/cert.pem", "x5c": []string{"MIIB"},
		} {
			header := mustJSON(t, object{"alg": "ES256", member: v})
			h := bearing(b.sign(t, ES256, header, seedClaims)) // by the key that it brings
			assertRefused(t, decide(t, verifier(t, nil, nil), h, now), "does not verify")
			assertAccepted(t, decide(t, verifier(t, nil, nil), bearing(signRaw(t, header, mustJSON(t, claimsFor(nil)))), now))
		}
		// Claims go into headers as text that stays in its header.
		evil := object{"evil": "a\r\nx-admin: true", "tab": "a\tb", "nul": "a\x00b"}
		outputs := []object{}
		for _, claim := range []string{"evil", "tab", "nul", "sub"} {
			outputs = append(outputs, object{"header": "x-" + claim, "claim": claim})
		}
		res := verdictOf(t, object{"outputClaimToHeaders": outputs}, evil, now)
		assertAccepted(t, res)
		assert.Equal(t, [][2]string{{"x-sub", "alice"}}, res.Set)
		// And what the client says in their place is removed, with and without a token.
		h := bearing()
		h.Headers = append(h.Headers, [2]string{"X-Sub", "root"}, [2]string{"x-sub", "root"})
		res = decide(t, verifier(t, object{"outputClaimToHeaders": outputs}, nil), h, now)
		assert.EqualValues(t, 401, res.Status)
		assert.Equal(t, []string{"x-sub"}, res.Remove)
	})

	t.Run("3.11 use explicit typing", func(t *testing.T) {
		p := object{"types": []string{"secevent+jwt"}}
		judge := func(provider object, typ any) Result {
			return decide(t, verifier(t, provider, nil), bearing(signTyped(t, jose.ES256, typ, claimsFor(nil))), now)
		}
		for _, typ := range []string{"secevent+jwt", "application/secevent+jwt", "SECEVENT+JWT"} {
			assertAccepted(t, judge(p, typ))
		}
		for _, typ := range []any{nil, "", "JWT", "at+jwt", "secevent+jwt;x=1", "secevent"} {
			assertRefused(t, judge(p, typ), "type is not accepted")
		}
		// By default no type but the two of tokens for APIs, and none at all, as tokens are in practice.
		for _, typ := range []any{nil, "JWT", "jwt", "at+jwt"} {
			assertAccepted(t, judge(nil, typ))
		}
		for _, typ := range []any{"secevent+jwt", "logout+jwt", "dpop+jwt", "kb+jwt", "JOSE", "JWE"} {
			assertRefused(t, judge(nil, typ), "type is not accepted")
		}
	})

	t.Run("3.12 use mutually exclusive validation rules for different kinds of JWTs", func(t *testing.T) {
		// One issuer signs three kinds with one key; each strategy of the section keeps them apart.
		kinds := map[string]object{ // by provider
			"typ":    {"types": []string{"at+jwt"}},
			"aud":    {"audiences": []string{"api"}},
			"claims": {"requiredClaims": []object{{"claim": "token_use", "values": []string{"access"}}}},
			"keys":   {"jwks": keySet(jwk(t, "P-384", nil))},
			"iss":    {"issuer": "https://access.idp.example"},
		}
		access := map[string]string{
			"typ":    signTyped(t, jose.ES256, "at+jwt", claimsFor(nil)),
			"aud":    sign(t, jose.ES256, claimsFor(object{"aud": "api"})),
			"claims": sign(t, jose.ES256, claimsFor(object{"token_use": "access"})),
			"keys":   sign(t, jose.ES384, claimsFor(nil)),
			"iss":    sign(t, jose.ES256, claimsFor(object{"iss": "https://access.idp.example"})),
		}
		// An ID token: the client's audience, its own use, no type, the usual key and issuer.
		id := signTyped(t, jose.ES256, "JWT", claimsFor(object{"aud": "web-client", "token_use": "id", "nonce": "n"}))
		assertAccepted(t, decide(t, verifier(t, nil, nil), bearing(id), now)) // where nothing is asked for, it is a token
		for strategy, p := range kinds {
			assertAccepted(t, decide(t, verifier(t, p, nil), bearing(access[strategy]), now))
			res := decide(t, verifier(t, p, nil), bearing(id), now)
			assert.EqualValues(t, 401, res.Status, strategy)
		}
		// RFC 9068 section 2.1 joins most of them.
		profile := object{"profile": "rfc9068", "audiences": []string{"web-client"}}
		assertRefused(t, decide(t, verifier(t, profile, nil), bearing(id), now), "type is not accepted")
	})
}

// signRaw signs any header and payload with the test key for ES256.
func signRaw(t testing.TB, header, payload string) string {
	t.Helper()
	s := breeder{private: map[string]any{differentialKey(ES256): testKeys()["P-256"]}}
	return s.sign(t, ES256, header, payload)
}
