package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/request"
)

const issuer = "https://idp.example"

// The test keys, made once.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	for bits, name := range map[int]string{2048: "rsa", 1024: "weak"} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		keys[name] = k
	}
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[c.Params().Name] = k
	}
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	keys["ed25519"] = k
	return keys
})

// curveOf is the standard library's curve of an algorithm.
func curveOf(alg Algorithm) elliptic.Curve {
	return map[Algorithm]elliptic.Curve{ES256: elliptic.P256(), ES384: elliptic.P384(), ES512: elliptic.P521()}[alg]
}

var secret = []byte("0123456789abcdef0123456789abcdef")

// keyOf is the test key for an algorithm, and its name.
func keyOf(alg jose.SignatureAlgorithm) any {
	switch alg {
	case jose.ES256:
		return testKeys()["P-256"]
	case jose.ES384:
		return testKeys()["P-384"]
	case jose.ES512:
		return testKeys()["P-521"]
	case jose.EdDSA:
		return testKeys()["ed25519"]
	case jose.HS256:
		return secret
	}
	return testKeys()["rsa"]
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, claims any) string {
	t.Helper()
	return signBy(t, alg, keyOf(alg), claims)
}

func signBy(t testing.TB, alg jose.SignatureAlgorithm, key, claims any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	require.NoError(t, err)
	jws, err := signer.Sign(payload)
	require.NoError(t, err)
	token, err := jws.CompactSerialize()
	require.NoError(t, err)
	return token
}

// jwk is a key as a JSON object, with some members changed; nil removes one.
func jwk(t testing.TB, name string, change map[string]any) map[string]any {
	t.Helper()
	return jwkOf(t, testKeys()[name].Public(), change)
}

func jwkOf(t testing.TB, key any, change map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key})
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(text, &m))
	for k, v := range change {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	return m
}

func parseSet(t testing.TB, keys ...map[string]any) ([]*Key, error) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	set, err := jsonstrict.Parse(string(text))
	require.NoError(t, err)
	return ParseKeys(set)
}

// allKeys are the public halves of every test key that is not weak.
func allKeys(t testing.TB) map[string]any {
	var keys []map[string]any
	for _, name := range []string{"rsa", "P-256", "P-384", "P-521", "ed25519"} {
		keys = append(keys, jwk(t, name, nil))
	}
	return map[string]any{"keys": keys}
}

type object = map[string]any

// verifier makes a verifier of one provider "corp", with some of its fields set.
func verifier(t testing.TB, provider object, rest object) *Verifier {
	t.Helper()
	p := object{"issuer": issuer, "jwks": allKeys(t)}
	for k, v := range provider {
		p[k] = v
	}
	c := object{"providers": object{"corp": p}}
	for k, v := range rest {
		c[k] = v
	}
	return compile(t, c)
}

func compile(t testing.TB, config object) *Verifier {
	t.Helper()
	text, err := json.Marshal(config)
	require.NoError(t, err)
	decoded, err := Decode(text)
	require.NoError(t, err)
	v := New(decoded, InWasm{})
	v.RememberTokens([16]byte{1})
	return v
}

var now = time.Unix(1_800_000_000, 0)

// claimsFor are valid claims, with some changed; nil removes one.
func claimsFor(change object) object {
	c := object{"iss": issuer, "sub": "alice", "exp": now.Add(time.Minute).Unix()}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func decide(t testing.TB, v *Verifier, h *hosttest.Host, at time.Time) Result {
	t.Helper()
	r, err := request.Load(h)
	require.NoError(t, err)
	return *v.Decide(r, at)
}

func bearing(tokens ...string) *hosttest.Host {
	h := &hosttest.Host{Headers: [][2]string{{":method", "GET"}, {":path", "/"}, {":authority", "service.test"}}}
	for _, token := range tokens {
		h.Headers = append(h.Headers, [2]string{"authorization", "Bearer " + token})
	}
	return h
}
