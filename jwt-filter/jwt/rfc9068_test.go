package jwt

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// profileTime is when the example of RFC 9068 section 2.2.3 was issued.
var profileTime = time.Unix(1618354090, 0)

// profileClaims are that example's, with some changed; nil removes one.
func profileClaims(change object) object {
	c := object{
		"iss": "https://authorization-server.example.com/", "sub": "5ba552d67", "aud": "https://rs.example.com/",
		"exp": 1639528912, "iat": 1618354090, "jti": "dbe39bf3a3ba4238a513f51d6e1691c4", "client_id": "s6BhdRkqt3",
		"scope": "openid profile reademail",
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func profileProvider(change object) object {
	p := object{"issuer": "https://authorization-server.example.com/", "audiences": []string{"https://rs.example.com/"}, "profile": "rfc9068"}
	maps.Copy(p, change)
	return p
}

// signTyped signs with a typ; nil: none.
func signTyped(t testing.TB, alg jose.SignatureAlgorithm, typ any, claims any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if typ != nil {
		options.WithHeader("typ", typ)
	}
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: keyOf(alg)}, options)
	require.NoError(t, err)
	jws, err := signer.Sign(payload)
	require.NoError(t, err)
	token, err := jws.CompactSerialize()
	require.NoError(t, err)
	return token
}

// Everything that RFC 9068 demands of who is given an access token, by its sections.
func TestRFC9068(t *testing.T) {
	judge := func(t *testing.T, provider object, typ any, claims object, at time.Time) Result {
		t.Helper()
		return decide(t, verifier(t, profileProvider(provider), nil), bearing(signTyped(t, jose.RS256, typ, profileClaims(claims))), at)
	}
	t.Run("2.2.3 the example", func(t *testing.T) {
		res := judge(t, nil, "at+JWT", nil, profileTime) // as its header spells it
		assertAccepted(t, res)
		assert.Equal(t, "https://authorization-server.example.com//5ba552d67", res.Principal)
		assert.Contains(t, res.Claims, `"scope":["openid","profile","reademail"]`)
	})
	t.Run("2.1 signed, and RS256 is supported", func(t *testing.T) {
		assertAccepted(t, judge(t, nil, "at+jwt", nil, profileTime))
		claims := mustJSON(t, profileClaims(nil))
		res := decide(t, verifier(t, profileProvider(nil), nil), bearing(compact(`{"typ":"at+jwt","alg":"none"}`, claims, "")), profileTime)
		assertRefused(t, res, "no known algorithm")
		// MACs are not forbidden, but an API that many call shares no secret with the server: only if listed.
		hmac := bearing(signTyped(t, jose.HS256, "at+jwt", profileClaims(nil)))
		assertRefused(t, decide(t, verifier(t, profileProvider(nil), nil), hmac, profileTime), "algorithm is not accepted")
	})
	t.Run("2.2 required claims", func(t *testing.T) {
		for claim, reason := range map[string]string{
			"iss":       "issuer is not accepted",
			"exp":       "does not expire",
			"aud":       "another audience",
			"sub":       "no sub",
			"client_id": "no client_id",
			"iat":       "no iat",
			"jti":       "no jti",
		} {
			assertRefused(t, judge(t, nil, "at+jwt", object{claim: nil}, profileTime), reason)
			// The profile is not asked for: RFC 7519 section 4.1 leaves these claims out as well.
			res := judge(t, object{"profile": "none"}, "at+jwt", object{claim: nil}, profileTime)
			if claim == "iss" || claim == "exp" || claim == "aud" {
				assertRefused(t, res, reason)
			} else {
				assertAccepted(t, res)
			}
		}
		for _, claim := range []string{"sub", "client_id", "jti"} {
			assertRefused(t, judge(t, nil, "at+jwt", object{claim: ""}, profileTime), "no "+claim)
			for _, v := range []any{1, true, []string{"x"}, object{}} {
				assert.EqualValues(t, 401, judge(t, nil, "at+jwt", object{claim: v}, profileTime).Status, "%s: %v", claim, v)
			}
		}
		// requireExpiration: false does not reach into the profile.
		assertRefused(t, judge(t, object{"requireExpiration": false}, "at+jwt", object{"exp": nil}, profileTime), "no exp")
	})
	t.Run("4 typ is at+jwt", func(t *testing.T) {
		for _, typ := range []any{"at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt"} {
			assertAccepted(t, judge(t, nil, typ, nil, profileTime))
		}
		for _, typ := range []any{nil, "", "JWT", "application/jwt", "id+jwt", "at+jwt ", "at", "text/at+jwt", "application/application/at+jwt"} {
			assertRefused(t, judge(t, nil, typ, nil, profileTime), "type is not accepted")
		}
		assertRefused(t, judge(t, nil, 1, nil, profileTime), "member of the wrong type")
	})
	t.Run("4 encrypted tokens", func(t *testing.T) {
		// Encryption is negotiated at registration, and the filter has no key for it: five parts are never a token here.
		jwe := encrypted(t, profileClaims(nil))
		assertRefused(t, decide(t, verifier(t, profileProvider(nil), nil), bearing(jwe), profileTime), "three parts")
	})
	t.Run("4 iss is exactly the issuer", func(t *testing.T) {
		for _, iss := range []string{"https://authorization-server.example.com", "https://authorization-server.example.com//",
			"https://AUTHORIZATION-SERVER.example.com/", "http://authorization-server.example.com/", " https://authorization-server.example.com/"} {
			assertRefused(t, judge(t, nil, "at+jwt", object{"iss": iss}, profileTime), "issuer is not accepted")
		}
	})
	t.Run("4 aud has the resource server", func(t *testing.T) {
		assertAccepted(t, judge(t, nil, "at+jwt", object{"aud": []string{"https://other.example/", "https://rs.example.com/"}}, profileTime))
		for _, aud := range []any{
			"https://rs.example.com", "https://rs.example.com/x", []string{}, []string{"https://other.example/"}, []any{"https://rs.example.com/", 1},
		} {
			assertRefused(t, judge(t, nil, "at+jwt", object{"aud": aud}, profileTime), "another audience")
		}
		assert.Contains(t, mistake(t, object{"profile": "rfc9068"}), "$.providers.corp.audiences: missing; profile rfc9068 demands that the audience is checked")
	})
	t.Run("4 signature, with the server's keys", func(t *testing.T) {
		for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
			token := signTyped(t, alg, "at+jwt", profileClaims(nil))
			assertAccepted(t, decide(t, verifier(t, profileProvider(nil), nil), bearing(token), profileTime))
			strangers := object{"jwks": keySet(rfcJWK(t, "rfc7515-a2", false), rfcJWK(t, "rfc7515-a3", false), rfcJWK(t, "rfc8037-a1", false))}
			assertRefused(t, decide(t, verifier(t, profileProvider(strangers), nil), bearing(token), profileTime), "does not verify")
		}
	})
	t.Run("4 now is before exp", func(t *testing.T) {
		expires := time.Unix(1639528912, 0)
		exact := object{"clockSkew": "0s"}
		assertAccepted(t, judge(t, exact, "at+jwt", nil, expires.Add(-time.Millisecond)))
		assertRefused(t, judge(t, exact, "at+jwt", nil, expires), "has expired")
		// "usually no more than a few minutes": one by default.
		assertAccepted(t, judge(t, nil, "at+jwt", nil, expires.Add(59*time.Second)))
		assertRefused(t, judge(t, nil, "at+jwt", nil, expires.Add(time.Minute)), "has expired")
	})
	t.Run("4 refused as RFC 6750 section 3.1 says", func(t *testing.T) {
		res := judge(t, nil, "JWT", nil, profileTime)
		assert.EqualValues(t, 401, res.Status)
		assert.False(t, res.Missing, "error=\"invalid_token\" is for a token that is there")
		assert.Contains(t, Challenge("rs.example.com", res.Reason), `error="invalid_token"`)
	})
}

// encrypted is a JWE of claims, to a key that nobody has.
func encrypted(t testing.TB, claims any) string {
	t.Helper()
	encrypter, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: make([]byte, 16)},
		(&jose.EncrypterOptions{}).WithType("at+jwt"))
	require.NoError(t, err)
	jwe, err := encrypter.Encrypt([]byte(mustJSON(t, claims)))
	require.NoError(t, err)
	text, err := jwe.CompactSerialize()
	require.NoError(t, err)
	return text
}

// profile rfc9068 and types contradict each other unless they say the same.
func TestRFC9068TypesCannotBeWidened(t *testing.T) {
	for types, wrong := range map[string]string{
		`["at+jwt"]`:                 "",
		`["application/AT+JWT"]`:     "",
		`["JWT"]`:                    "$.providers.corp.types[0]: profile rfc9068 accepts at+jwt",
		`["at+jwt", "logout+jwt"]`:   "$.providers.corp.types[1]: profile rfc9068 accepts at+jwt",
		`["application/at+jwt+cwt"]`: "$.providers.corp.types[0]: profile rfc9068 accepts at+jwt",
	} {
		_, err := Decode([]byte(`{"providers": {"corp": {"issuer": "i", "audiences": ["a"], "profile": "rfc9068", "types": ` + types +
			`, "jwks": ` + mustJSON(t, allKeys(t)) + `}}}`))
		if wrong == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, wrong)
		}
	}
}
