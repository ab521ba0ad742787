package idp

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const issuer = "https://idp.example"

func TestSign(t *testing.T) {
	provider, err := New(issuer)
	require.NoError(t, err)
	for _, alg := range Algorithms {
		t.Run(string(alg), func(t *testing.T) {
			token, err := provider.Sign(alg, provider.Claims("alice", "records", Claims{"scope": "read"}))
			require.NoError(t, err)
			claims, err := verify(token, provider.JWKS())
			require.NoError(t, err)
			assert.NoError(t, claims.Validate(jwt.Expected{Issuer: issuer, Subject: "alice", AnyAudience: []string{"records"}}))

			forged, err := Forge(alg, provider.Claims("alice", "records", nil))
			require.NoError(t, err)
			_, err = verify(forged, provider.JWKS())
			assert.ErrorIs(t, err, jose.ErrCryptoFailure, "the kid fits, the signature must not")
		})
	}
}

func TestJWKSHasNoPrivateKey(t *testing.T) {
	provider, err := New(issuer)
	require.NoError(t, err)
	var set jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal(provider.JWKS(), &set))
	require.Len(t, set.Keys, len(Algorithms))
	for _, key := range set.Keys {
		assert.True(t, key.IsPublic())
	}
}

func TestExpire(t *testing.T) {
	provider := &Provider{Issuer: issuer}
	claims := Expire(provider.Claims("alice", "records", nil), time.Hour)
	assert.InDelta(t, time.Now().Add(-time.Hour).Unix(), claims["exp"], 2)
}

func TestClaimsRemoved(t *testing.T) {
	claims := (&Provider{}).Claims("alice", "records", Claims{"exp": nil, "sub": "bob"})
	assert.NotContains(t, claims, "exp")
	assert.Equal(t, "bob", claims["sub"])
}

func TestUnsecured(t *testing.T) {
	token, err := Unsecured(Claims{"sub": "alice"})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(token, "eyJhbGciOiJub25lIi")) // {"alg":"none"
	assert.True(t, strings.HasSuffix(token, "."))
	assert.Equal(t, 2, strings.Count(token, "."))
}

func TestHandler(t *testing.T) {
	provider, err := New(issuer)
	require.NoError(t, err)
	tests := []struct {
		name, body string
		status     int
		expired    bool
	}{
		{"default", `{"subject": "alice", "audience": "records"}`, 200, false},
		{"expired", `{"subject": "alice", "audience": "records", "expired_for": 600}`, 200, true},
		{"other algorithm", `{"subject": "alice", "audience": "records", "algorithm": "EdDSA"}`, 200, false},
		{"no such algorithm", `{"subject": "alice", "algorithm": "HS256"}`, 400, false},
		{"unknown field", `{"subjekt": "alice"}`, 400, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			provider.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(test.body)))
			require.Equal(t, test.status, recorder.Code, recorder.Body)
			if test.status != http.StatusOK {
				return
			}
			var response TokenResponse
			require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &response))
			claims, err := verify(response.AccessToken, provider.JWKS())
			require.NoError(t, err)
			err = claims.ValidateWithLeeway(jwt.Expected{Issuer: issuer}, time.Minute)
			if test.expired {
				assert.ErrorIs(t, err, jwt.ErrExpired)
			} else {
				assert.NoError(t, err)
			}
		})
	}
}

// verify checks a signature with another implementation than the filter's.
func verify(token string, keys json.RawMessage) (*jwt.Claims, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys, &set); err != nil {
		return nil, err
	}
	parsed, err := jwt.ParseSigned(token, Algorithms)
	if err != nil {
		return nil, err
	}
	var claims jwt.Claims
	return &claims, parsed.Claims(set, &claims)
}
