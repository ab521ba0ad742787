package jwt

import (
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// What is accepted, another implementation accepts with one of the same keys.
func FuzzVerify(f *testing.F) {
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA} {
		f.Add(sign(f, alg, claimsFor(nil)))
	}
	// The keys are other ones in each process: this gives every one a valid token to start from.
	fresh := []string{sign(f, jose.ES256, claimsFor(nil)), sign(f, jose.RS256, claimsFor(nil)), sign(f, jose.EdDSA, claimsFor(nil))}
	f.Add("")
	config, err := Decode([]byte(mustJSON(f, object{"providers": object{"corp": object{"issuer": issuer, "jwks": allKeys(f)}}})))
	require.NoError(f, err)
	v := New(config, InWasm{})
	f.Fuzz(func(t *testing.T, token string) {
		check(t, v, token)
		// The same change to a token that is valid: bytes of the input laid over it.
		for i, valid := range fresh {
			changed := []byte(valid)
			for j := 0; j+1 < len(token); j += 2 {
				at := (int(token[j])<<3 + i*131 + j) % len(changed)
				changed[at] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="[token[j+1]%66]
			}
			check(t, v, string(changed))
		}
	})
}

func check(t *testing.T, v *Verifier, token string) {
	h := bearing()
	h.Headers = append(h.Headers, [2]string{"authorization", "Bearer " + token})
	res := decide(t, v, h, now)
	if res.Status != 200 {
		require.Empty(t, res.Claims)
		require.Empty(t, res.Set)
		return
	}
	algs := []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
	raw, ok := cutPrefix("Bearer "+token, "Bearer ")
	require.True(t, ok)
	jws, err := jose.ParseSignedCompact(raw, algs)
	require.NoError(t, err, "accepted %q", raw)
	var payload []byte
	for _, key := range testKeys() {
		if payload, err = jws.Verify(key.Public()); err == nil {
			break
		}
	}
	require.NoError(t, err, "accepted %q", raw)
	var claims struct{ Iss string }
	require.NoError(t, json.Unmarshal(payload, &claims))
	require.Equal(t, issuer, claims.Iss)
}

func FuzzConfig(f *testing.F) {
	keys := mustJSON(f, allKeys(f))
	for _, s := range []string{
		`{}`, ``, `[]`, `{"providers": {"a": {"issuer": "i", "jwks": ` + keys + `}}, "rules": [{"match": {"paths": ["/a/{*}"]}, "require": {"any": [{"provider": "a"}]}}]}`,
		`{"providers": {"a": {"jwks": {"keys": [{"kty": "RSA", "n": "", "e": ""}]}, "clockSkew": "1h", "types": ["x"], "fromHeaders": [{"name": ""}]}}}`,
		`{"rules": [{"require": {"provider": "b"}}], "cache": {"entries": 0}}`, "\x0a\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Decode(raw)
		if err != nil {
			require.Nil(t, c)
			require.NotEmpty(t, err.Error())
			return
		}
		res := decide(t, New(c, InWasm{}), bearing(sign(t, jose.ES256, claimsFor(nil))), now)
		require.NotZero(t, res.Status)
	})
}
