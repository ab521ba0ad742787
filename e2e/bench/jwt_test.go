package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

var signatureAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA, jose.HS256}

// TestTokens checks them with another implementation than the filters'.
func TestTokens(t *testing.T) {
	for _, alg := range signatureAlgorithms {
		t.Run(string(alg), func(t *testing.T) {
			var set jose.JSONWebKeySet
			require.NoError(t, json.Unmarshal(issuerOf(alg).jwks(), &set))
			require.Len(t, set.Keys, 1)
			assert.Equal(t, alg == jose.HS256, !set.Keys[0].IsPublic(), "private keys do not go into configurations")
			one, other := issuerOf(alg).token(1), issuerOf(alg).token(2)
			assert.NotEqual(t, one, other)
			parsed, err := jwt.ParseSigned(one, []jose.SignatureAlgorithm{alg})
			require.NoError(t, err)
			var claims jwt.Claims
			require.NoError(t, parsed.Claims(set, &claims))
			assert.NoError(t, claims.Validate(jwt.Expected{Issuer: issuer, AnyAudience: []string{audience}}))
		})
	}
}

// TestJWTDecides asks jwt-filter itself what it makes of the configurations and the requests.
func TestJWTDecides(t *testing.T) {
	for _, alg := range signatureAlgorithms {
		for name, v := range map[string]verification{
			"cached": {alg, true, false}, "not cached": {alg, false, false}, "headers": {alg, true, true},
		} {
			t.Run(string(alg)+" "+name, func(t *testing.T) {
				h := &hosttest.Host{
					Config:    []byte(jwtConfig(v)),
					Functions: map[string]func([]byte) ([]byte, error){"verify_signature": hosttest.VerifySignature},
				}
				handler, err := plugin.Filter.Configure(h)
				require.NoError(t, err)
				r := withToken(alg)
				for range 2 {
					h.NextRequest([][2]string{
						{":method", "GET"}, {":path", r.Path}, {":authority", r.Host}, {"authorization", r.Headers["Authorization"]},
					}, nil)
					require.Equal(t, host.Continue, handler.RequestHeaders(h))
				}
				assert.Equal(t, v.cached, h.Metrics["palisade.jwt_cache.result.hit"] == 1)
				assert.Contains(t, h.Properties["palisade.jwt"], `"scope":["openid","profile","read","write"]`)
				var names []string
				for _, header := range h.Headers {
					names = append(names, header[0])
				}
				assert.NotContains(t, names, "authorization")
				assert.Equal(t, v.headers, strings.HasSuffix(strings.Join(names, " "), "x-user x-dept"))
			})
		}
	}
}

// TestJWTAuthnIsTheSame compares what native jwt_authn is given with what jwt-filter is given.
func TestJWTAuthnIsTheSame(t *testing.T) {
	for name, v := range map[string]verification{
		"cached": cachedRS256, "not cached": {jose.ES256, false, false}, "headers": {jose.RS256, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			config := jwtAuthnConfig(v)
			provider := config["providers"].(object)["corp"].(object)
			assert.Equal(t, issuer, provider["issuer"])
			assert.Equal(t, list{audience}, provider["audiences"])
			assert.JSONEq(t, string(issuerOf(v.algorithm).jwks()), provider["local_jwks"].(object)["inline_string"].(string))
			assert.NotContains(t, provider, "forward", "it takes the token out of the request, as jwt-filter does")
			assert.Equal(t, "corp", provider["payload_in_metadata"])
			cache, cached := provider["jwt_cache_config"]
			require.Equal(t, v.cached, cached)
			if cached {
				assert.Equal(t, object{"jwt_cache_size": cacheEntries}, cache)
			}
			headers, has := provider["claim_to_headers"]
			require.Equal(t, v.headers, has)
			if has {
				assert.Equal(t, list{
					object{"header_name": "x-user", "claim_name": "sub"}, object{"header_name": "x-dept", "claim_name": "org.dept"},
				}, headers)
			}
		})
	}
}

func TestWriteTokens(t *testing.T) {
	dir := t.TempDir()
	file, err := writeTokens(dir, scenario{name: "a"})
	require.NoError(t, err)
	assert.Empty(t, file, "nothing takes turns")
	file, err = writeTokens(dir, scenario{name: "b", request: request{Tokens: func() []string { return []string{"x", "y"} }}})
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "x\ny\n", string(text))
}

func TestDistinctTokens(t *testing.T) {
	tokens := withTokens().Tokens()
	distinct := map[string]bool{}
	for _, token := range tokens {
		distinct[token] = true
	}
	assert.Len(t, distinct, distinctTokens)
	assert.Greater(t, distinctTokens, 10*cacheEntries, "none is in a cache when it comes again")
}
