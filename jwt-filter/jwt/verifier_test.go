package jwt

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/hosttest"
)

func TestBinding(t *testing.T) {
	digest := sha256.Sum256([]byte("certificate"))
	ours := b64(digest[:])
	other := sha256.Sum256([]byte("another"))
	for name, c := range map[string]struct {
		mode   string
		cnf    any // nil: none
		peer   string
		fault  bool
		status uint32
	}{
		"bound, same certificate":      {"if-present", object{"x5t#S256": ours}, hex.EncodeToString(digest[:]), false, 200},
		"bound, another certificate":   {"if-present", object{"x5t#S256": ours}, hex.EncodeToString(other[:]), false, 401},
		"bound, no certificate":        {"if-present", object{"x5t#S256": ours}, "", false, 401},
		"bound, a digest that is none": {"if-present", object{"x5t#S256": ours}, "xyz", false, 401},
		"bound, the host fails":        {"if-present", object{"x5t#S256": ours}, hex.EncodeToString(digest[:]), true, 503},
		"bound in hex":                 {"if-present", object{"x5t#S256": hex.EncodeToString(digest[:])}, hex.EncodeToString(digest[:]), false, 401},
		"bound to nothing":             {"if-present", object{"x5t#S256": ""}, "", false, 401},
		"bound to a number":            {"if-present", object{"x5t#S256": 1}, hex.EncodeToString(digest[:]), false, 401},
		"cnf is a string":              {"if-present", ours, hex.EncodeToString(digest[:]), false, 401},
		"bound to a key of its own":    {"if-present", object{"jkt": "x"}, "", false, 200},
		"not bound":                    {"if-present", nil, "", false, 200},
		"not bound, the host fails":    {"if-present", nil, "", true, 200},
		"required, not bound":          {"required", nil, hex.EncodeToString(digest[:]), false, 401},
		"required, bound to a key":     {"required", object{"jkt": "x"}, hex.EncodeToString(digest[:]), false, 401},
		"required, bound":              {"required", object{"x5t#S256": ours}, hex.EncodeToString(digest[:]), false, 200},
		"off, bound to another":        {"off", object{"x5t#S256": ours}, hex.EncodeToString(other[:]), false, 200},
	} {
		t.Run(name, func(t *testing.T) {
			v := verifier(t, object{"certificateBound": c.mode}, nil)
			token := sign(t, jose.ES256, claimsFor(object{"cnf": c.cnf}))
			for i := range 2 { // the second time from the cache
				h := bearing(token)
				if c.peer != "" {
					h.Properties = map[string]string{"connection.sha256_peer_certificate_digest": c.peer}
				}
				h.Fault = func(_ int, call string) bool { return c.fault && call == "Property" }
				assert.Equal(t, c.status, decide(t, v, h, now).Status, i)
			}
		})
	}
}

// A token in the cache is bound as it was: what another client presents with it does not matter less.
func TestACachedTokenIsCheckedAgainstEachCertificate(t *testing.T) {
	digest := sha256.Sum256([]byte("certificate"))
	v := verifier(t, nil, nil)
	token := sign(t, jose.ES256, claimsFor(object{"cnf": object{"x5t#S256": b64(digest[:])}}))
	for _, peer := range []string{hex.EncodeToString(digest[:]), hex.EncodeToString(make([]byte, 32)), hex.EncodeToString(digest[:])} {
		h := bearing(token)
		h.Properties = map[string]string{"connection.sha256_peer_certificate_digest": peer}
		want := uint32(200)
		if peer != hex.EncodeToString(digest[:]) {
			want = 401
		}
		assert.Equal(t, want, decide(t, v, h, now).Status)
	}
}

func TestChallenge(t *testing.T) {
	assert.Equal(t, `Bearer realm="a.example:80"`, Challenge("a.example:80", ""))
	assert.Equal(t, `Bearer realm="a", error="invalid_token", error_description="the token has expired"`, Challenge("a", "the token has expired"))
	for _, host := range []string{"", `a"b`, `a\b`, "a b", "a\r\nx: y", "é", "\x7f"} {
		assert.Equal(t, `Bearer realm="palisade"`, Challenge(host, ""), host)
	}
	assert.NotContains(t, Challenge("a", `x", y="z\`), `y="`)
}

func TestMoreTokensThanAreJudgedAreRefused(t *testing.T) {
	p := object{"fromHeaders": []object{{"name": "authorization", "prefix": "Bearer "}, {"name": "x-token"}}}
	v := verifier(t, p, nil)
	var tokens []string
	for range maxTokens {
		tokens = append(tokens, sign(t, jose.ES256, claimsFor(nil)))
	}
	assert.EqualValues(t, 200, decide(t, v, bearing(tokens...), now).Status)
	// One too many, hidden behind a place that has nothing new.
	h := bearing(append(tokens, compact(`{"alg":"none"}`, "{}", ""))...)
	h.Headers = append(h.Headers, [2]string{"x-token", tokens[0]})
	res := decide(t, v, h, now)
	assert.EqualValues(t, 401, res.Status)
	assert.Equal(t, "the request has too many tokens", res.Reason)
}

func TestTokenSites(t *testing.T) {
	for value, want := range map[string]string{ // what is left
		"Bearer a":                   "",
		"bearer  a ":                 "",
		"Bearer\ta":                  "",
		" Bearer a":                  "",
		"Basic x, Bearer a":          "Basic x",
		"Bearer a,Basic x,Bearer b":  "Basic x",
		"Basic x":                    "Basic x",
		"Bearer":                     "Bearer",
		"Bearera":                    "Bearera",
		"xBearer a":                  "",
		"Basic x bearer\ta, Basic y": " Basic y",
		"Bearer a,Basic xBearer":     "Basic xBearer",
		"Be\x01rer a":                "Be\x01rer a",
		"BearerRa":                   "BearerRa",
		"":                           "",
	} {
		rest, found := WithoutTokens(value, []string{"Bearer "})
		assert.Equal(t, want, rest, value)
		assert.Equal(t, want != value, found, value)
	}
	rest, found := WithoutTokens("a", []string{""})
	assert.Empty(t, rest)
	assert.True(t, found)
}

// A header that hands claims on has nothing left of what the client sent, even if tokens are read from it.
func TestAnOutputHeaderThatHasTheTokenIsRemovedWhole(t *testing.T) {
	v := verifier(t, object{
		"fromHeaders":          []object{{"name": "x-user", "prefix": "Token "}},
		"outputClaimToHeaders": []object{{"header": "x-user", "claim": "absent"}},
	}, nil)
	h := &hosttest.Host{Headers: [][2]string{{"x-user", "root"}, {"x-user", "Token " + sign(t, jose.ES256, claimsFor(nil))}}}
	res := decide(t, v, h, now)
	require.EqualValues(t, 200, res.Status, res.Reason)
	assert.Equal(t, []string{"x-user"}, res.Remove)
	assert.Empty(t, res.Take.Headers, "it would put the rest of the header back")
}

func TestTimes(t *testing.T) {
	for name, c := range map[string]struct {
		provider, claims object
		at               time.Duration
		status           uint32
	}{
		"at the end of the skew":       {object{"clockSkew": "5s"}, nil, 65 * time.Second, 401},
		"just before":                  {object{"clockSkew": "5s"}, nil, 65*time.Second - time.Millisecond, 200},
		"nbf within the skew":          {object{"clockSkew": "5s"}, object{"nbf": now.Unix() + 5}, 0, 200},
		"nbf beyond the skew":          {object{"clockSkew": "5s"}, object{"nbf": now.Unix() + 6}, 0, 401},
		"a fraction of a second":       {object{"clockSkew": "0s"}, object{"exp": float64(now.Unix()) + 0.5}, 400 * time.Millisecond, 200},
		"no exp":                       {nil, object{"exp": nil}, 0, 401},
		"no exp, where none is needed": {object{"requireExpiration": false}, object{"exp": nil}, 0, 200},
		"no exp, but a lifetime":       {object{"requireExpiration": false, "maxLifetime": "1h"}, object{"exp": nil}, 0, 401},
		"too long from iat":            {object{"maxLifetime": "1m"}, object{"iat": now.Unix() - 1}, 0, 401},
		"as long as may be":            {object{"maxLifetime": "1m"}, object{"iat": now.Unix()}, 0, 200},
		"too long from now":            {object{"maxLifetime": "59s"}, nil, 0, 401},
		"exp is null":                  {object{"requireExpiration": false}, object{"exp": []int{}}, 0, 401},
		"exp is negative":              {nil, object{"exp": -1}, 0, 401},
		"exp is beyond every calendar": {nil, object{"exp": 1e300}, 0, 401},
		"nbf is a string":              {nil, object{"nbf": "0"}, 0, 401},
	} {
		t.Run(name, func(t *testing.T) {
			res := decide(t, verifier(t, c.provider, nil), bearing(sign(t, jose.ES256, claimsFor(c.claims))), now.Add(c.at))
			assert.Equal(t, c.status, res.Status, res.Reason)
		})
	}
}

func TestClaims(t *testing.T) {
	for name, c := range map[string]struct {
		provider, claims object
		reason           string
	}{
		"audience":                  {object{"audiences": []string{"a", "b"}}, object{"aud": []string{"x", "b"}}, ""},
		"audience, none":            {object{"audiences": []string{"a"}}, nil, "another audience"},
		"audience, empty list":      {object{"audiences": []string{"a"}}, object{"aud": []string{}}, "another audience"},
		"audience, one is a number": {object{"audiences": []string{"a"}}, object{"aud": []any{"a", 1}}, "another audience"},
		"audience, an object":       {object{"audiences": []string{"a"}}, object{"aud": object{"a": "a"}}, "another audience"},
		"subject":                   {object{"subjects": []string{"svc-*"}}, object{"sub": "svc-1"}, ""},
		"subject, another":          {object{"subjects": []string{"svc-*"}}, nil, "subject is not accepted"},
		"subject, none":             {object{"subjects": []string{"*"}}, object{"sub": nil}, "subject is not accepted"},
		"subject, a number":         {nil, object{"sub": 1}, "sub is not a string"},
		"issuer in a list":          {nil, object{"iss": []string{issuer}}, "issuer is not accepted"},
		"issuer with a slash more":  {nil, object{"iss": issuer + "/"}, "issuer is not accepted"},
		"required claim":            {object{"requiredClaims": []object{{"claim": "o.x", "values": []string{"true"}}}}, object{"o": object{"x": true}}, ""},
		"required claim, missing":   {object{"requiredClaims": []object{{"claim": "o.x", "values": []string{"*"}}}}, nil, "none of the required values"},
		"required claim, other":     {object{"requiredClaims": []object{{"claim": "x", "values": []string{"true"}}}}, object{"x": []any{false, "TRUE"}}, "none of the required values"},
		"algorithm not listed":      {object{"algorithms": []string{"RS256"}}, nil, "algorithm is not accepted"},
		"type not listed":           {object{"types": []string{"at+jwt"}}, nil, "type is not accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			res := decide(t, verifier(t, c.provider, nil), bearing(sign(t, jose.ES256, claimsFor(c.claims))), now)
			if c.reason == "" {
				assert.EqualValues(t, 200, res.Status, res.Reason)
				return
			}
			assert.EqualValues(t, 401, res.Status)
			assert.Contains(t, res.Reason, c.reason)
		})
	}
}

func TestPublication(t *testing.T) {
	v := verifier(t, object{"outputPayloadToHeader": "x-payload", "outputClaimToHeaders": []object{
		{"header": "x-sub", "claim": "sub"}, {"header": "x-evil", "claim": "evil"}, {"header": "x-list", "claim": "list"},
	}}, nil)
	token := sign(t, jose.ES256, claimsFor(object{"scope": "a b\u00a0c", "evil": "a\r\nx-sub: root", "list": []int{1, 2}}))
	res := decide(t, v, bearing(token), now)
	require.EqualValues(t, 200, res.Status)
	assert.JSONEq(t, `{"corp": {"iss": "https://idp.example", "sub": "alice", "exp": 1800000060, "evil": "a\r\nx-sub: root", "list": [1, 2], "scope": ["a", "b\u00a0c"]}}`, res.Claims)
	assert.Equal(t, issuer+"/alice", res.Principal)
	parsed, err := ParseToken(token)
	require.NoError(t, err)
	assert.Equal(t, [][2]string{{"x-payload", b64([]byte(parsed.payload))}, {"x-sub", "alice"}, {"x-list", "[1,2]"}}, res.Set)
}

// "https://idp.example/t" + "/" + "alice" is also "https://idp.example" + "/" + "t/alice".
func TestASubjectDoesNotReadAsAnotherIssuers(t *testing.T) {
	config, err := Decode([]byte(mustJSON(t, object{"providers": object{
		"corp":   object{"issuer": issuer, "jwks": allKeys(t)},
		"tenant": object{"issuer": issuer + "/t", "jwks": allKeys(t)},
	}})))
	require.NoError(t, err)
	v := New(config, InWasm{})
	for _, c := range []struct {
		issuer, sub string
		status      uint32
	}{{issuer, "alice", 200}, {issuer, "t", 200}, {issuer, "tt/alice", 200}, {issuer + "/t", "alice", 200}, {issuer, "t/alice", 401}, {issuer, "t/", 401}} {
		res := decide(t, v, bearing(sign(t, jose.ES256, claimsFor(object{"iss": c.issuer, "sub": c.sub}))), now)
		assert.Equal(t, c.status, res.Status, c)
	}
}

// Tokens and keys without an ID do not multiply.
func TestSignaturesOfARequestAreBounded(t *testing.T) {
	var keys []object
	for range MaxKeys {
		keys = append(keys, jwk(t, "P-256", object{"kid": nil}))
	}
	counted := &countingSignatures{}
	config, err := Decode([]byte(mustJSON(t, object{"providers": object{"corp": object{"issuer": issuer, "jwks": object{"keys": keys}}}})))
	require.NoError(t, err)
	v := New(config, counted)
	var tokens []string
	for range maxTokens {
		tokens = append(tokens, sign(t, jose.ES256, claimsFor(nil)))
	}
	for range 2 { // each request anew
		counted.n = 0
		res := decide(t, v, bearing(tokens...), now)
		assert.EqualValues(t, 401, res.Status)
		assert.Equal(t, maxSignatures, counted.n)
	}
}

// countingSignatures refuses all, and counts.
type countingSignatures struct{ n int }

func (s *countingSignatures) Verify(Algorithm, *Key, string, []byte) error {
	s.n++
	return ErrForged
}

// Tens of thousands of commas cost a pass over them, not one for each.
func TestTakingTokensOutOfManyParts(t *testing.T) {
	value := "Bearer a" + strings.Repeat(",", 50_000)
	prefixes := []string{"Bearer "}
	assert.LessOrEqual(t, testing.AllocsPerRun(10, func() { WithoutTokens(value, prefixes) }), 2.0)
}

// What some readers take for space hides a token from those who do not.
func TestWhatIsSpaceToSomeIsRefused(t *testing.T) {
	p := object{"fromHeaders": []object{{"name": "authorization", "prefix": "Bearer "}}, "fromCookies": []string{"session"}}
	v := verifier(t, p, object{"rules": []object{{"require": object{"optional": object{"provider": "corp"}}}}})
	good := sign(t, jose.ES256, claimsFor(nil))
	for _, h := range [][2]string{
		{"authorization", "Bearer\u00a0" + good}, {"authorization", "Bearer\xa0" + good}, {"authorization", "Bearer\x85x,Bearer " + good},
		{"authorization", "Bearer\x0b" + good},
		{"cookie", "session=" + good + "; \xa0session=x"}, {"cookie", "sess%69on=x"},
	} {
		res := decide(t, v, &hosttest.Host{Headers: [][2]string{h}}, now)
		assert.EqualValues(t, 400, res.Status, "%q", h)
	}
	for _, h := range [][2]string{{"x-other", "Bearer\xa0x"}, {"cookie", "a=\xa0; session=" + good}} {
		res := decide(t, v, &hosttest.Host{Headers: [][2]string{h}}, now)
		assert.EqualValues(t, 200, res.Status, "%q", h)
	}
}

// A header that two providers hand claims on by is about one user, whom the record and the principal name, too.
func TestAHeaderIsAboutOneUser(t *testing.T) {
	outputs := []object{{"header": "x-user", "claim": "sub"}, {"header": "x-role", "claim": "role"}}
	partner := "https://partner.example"
	config, err := Decode([]byte(mustJSON(t, object{"providers": object{
		"corp":    object{"issuer": issuer, "jwks": allKeys(t), "outputClaimToHeaders": outputs},
		"partner": object{"issuer": partner, "jwks": allKeys(t), "outputClaimToHeaders": append(outputs, object{"header": "x-org", "claim": "org"})},
	}})))
	require.NoError(t, err)
	v := New(config, InWasm{})
	alice := sign(t, jose.ES256, claimsFor(nil))
	root := sign(t, jose.ES256, claimsFor(object{"iss": partner, "sub": "root", "role": "admin", "org": "p"}))
	res := decide(t, v, bearing(alice, root), now)
	require.EqualValues(t, 200, res.Status, res.Reason)
	assert.Equal(t, issuer+"/alice", res.Principal)
	assert.Equal(t, [][2]string{{"x-user", "alice"}, {"x-org", "p"}}, res.Set, "the role is not alice's")
}
