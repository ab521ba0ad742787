package jwt

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
)

// verdictOf is what the default provider, somewhat changed, says of claims.
func verdictOf(t *testing.T, provider, claims object, at time.Time) Result {
	t.Helper()
	return decide(t, verifier(t, provider, nil), bearing(sign(t, jose.ES256, claimsFor(claims))), at)
}

func assertAccepted(t *testing.T, res Result) {
	t.Helper()
	assert.EqualValues(t, 200, res.Status, res.Reason)
}

func assertRefused(t *testing.T, res Result, reason string) {
	t.Helper()
	assert.EqualValues(t, 401, res.Status)
	assert.Contains(t, res.Reason, reason)
	assert.Empty(t, res.Claims)
}

// Registered claims have the type that RFC 7519 section 4.1 gives them, also where nobody asked for the claim.
func TestRFC7519(t *testing.T) {
	t.Run("4.1.1 iss", func(t *testing.T) {
		assertAccepted(t, verdictOf(t, nil, nil, now))
		for _, iss := range []any{nil, "", 1, true, []string{issuer}, object{"iss": issuer}, issuer + "/", "HTTPS://idp.example", issuer + " "} {
			assertRefused(t, verdictOf(t, nil, object{"iss": iss}, now), "issuer is not accepted")
		}
	})
	t.Run("4.1.2 sub", func(t *testing.T) {
		assertAccepted(t, verdictOf(t, nil, object{"sub": nil}, now))
		for _, sub := range []any{1, false, []string{"alice"}, object{}} {
			assertRefused(t, verdictOf(t, nil, object{"sub": sub}, now), "sub is not a string")
		}
	})
	t.Run("4.1.3 aud", func(t *testing.T) {
		for _, aud := range []any{nil, "a", "", []string{}, []string{"a", "b"}} {
			assertAccepted(t, verdictOf(t, nil, object{"aud": aud}, now))
		}
		for _, aud := range []any{1, true, object{"a": "a"}, []any{"a", 1}, []any{[]string{"a"}}, []any{nil}} {
			assertRefused(t, verdictOf(t, nil, object{"aud": aud}, now), "aud is neither a string nor a list of strings")
			assertRefused(t, verdictOf(t, object{"audiences": []string{"a"}}, object{"aud": aud}, now), "another audience")
		}
	})
	t.Run("4.1.4 exp", func(t *testing.T) {
		p, claims := object{"clockSkew": "0s"}, object{"exp": now.Unix() + 60}
		assertAccepted(t, verdictOf(t, p, claims, now.Add(59*time.Second)))
		assertRefused(t, verdictOf(t, p, claims, now.Add(time.Minute)), "has expired") // "on or after"
	})
	t.Run("4.1.5 nbf", func(t *testing.T) {
		p, claims := object{"clockSkew": "0s"}, object{"nbf": now.Unix() + 10}
		assertRefused(t, verdictOf(t, p, claims, now.Add(9*time.Second)), "not valid yet")
		assertAccepted(t, verdictOf(t, p, claims, now.Add(10*time.Second)))
	})
	t.Run("4.1.6 iat", func(t *testing.T) {
		for _, iat := range []any{"1800000000", []int64{1}, object{}, true, -1} {
			assertRefused(t, verdictOf(t, nil, object{"iat": iat}, now), "iat is not a date")
		}
		// It dates a token and forbids nothing by itself, not even in the future; nor does Envoy's jwt_authn look at it.
		assertAccepted(t, verdictOf(t, nil, object{"iat": now.Unix() + 3600}, now))
	})
	t.Run("4.1.7 jti", func(t *testing.T) {
		assertAccepted(t, verdictOf(t, nil, object{"jti": "1"}, now))
		for _, jti := range []any{1, []string{"1"}, object{}} {
			assertRefused(t, verdictOf(t, nil, object{"jti": jti}, now), "jti is not a string")
		}
	})
}

// An iat in the future does not make a token live longer than maxLifetime from now.
func TestMaxLifetimeIsNotStretchedByAnIatInTheFuture(t *testing.T) {
	p := object{"maxLifetime": "1h", "clockSkew": "1m"}
	year := int64(365 * 24 * 3600)
	assertRefused(t, verdictOf(t, p, object{"iat": now.Unix() + year, "exp": now.Unix() + year + 60}, now), "lifetime is longer")
	// An issuer's clock that is fast by less than the skew does no harm.
	assertAccepted(t, verdictOf(t, p, object{"iat": now.Unix() + 60, "exp": now.Unix() + 3660}, now))
	assertRefused(t, verdictOf(t, p, object{"iat": now.Unix() + 61, "exp": now.Unix() + 3661}, now), "lifetime is longer")
}
