package casetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// Token is a token to be made for a case.
type Token struct {
	In     string         `json:"in"`     // header; default: authorization. "$t": wherever the request and expect.upstream say $t
	As     *string        `json:"as"`     // prefix; default: "Bearer "
	Raw    string         `json:"raw"`    // the token as it is, instead of all that follows
	Alg    string         `json:"alg"`    // default: ES256
	Key    string         `json:"key"`    // default: the test key of the algorithm; "stranger": one of somebody else with the same kid
	Header map[string]any `json:"header"` // further members of the JOSE header
	Claims map[string]any `json:"claims"` // exp, nbf and iat as "+10m" and "-10m" are counted from now
	Tamper string         `json:"tamper"` // payload | signature | padding | none-alg
}

func (k *Token) header(t *testing.T) [2]string {
	t.Helper()
	name, prefix := k.In, "Bearer "
	if name == "" {
		name = "authorization"
	}
	if k.As != nil {
		prefix = *k.As
	}
	return [2]string{name, prefix + k.Compact(t)}
}

// placeholder is what stands for the token in the case, "" if it has a header to itself.
func (k *Token) placeholder() string {
	if strings.HasPrefix(k.In, "$") {
		return k.In
	}
	return ""
}

// Compact is the token.
func (k *Token) Compact(t *testing.T) string {
	t.Helper()
	if k.Raw != "" {
		return k.Raw
	}
	payload, err := json.Marshal(absolute(t, k.Claims))
	require.NoError(t, err)
	return k.tampered(t, k.sign(t, payload))
}

func (k *Token) sign(t *testing.T, payload []byte) string {
	t.Helper()
	alg := jose.SignatureAlgorithm(k.Alg)
	if alg == "" {
		alg = jose.ES256
	}
	key := testKeys.private(t, alg, k.Key == "stranger")
	options := (&jose.SignerOptions{}).WithHeader("kid", keyID(alg))
	for name, value := range k.Header {
		options = options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	require.NoError(t, err)
	jws, err := signer.Sign(payload)
	require.NoError(t, err)
	text, err := jws.CompactSerialize()
	require.NoError(t, err)
	return text
}

func (k *Token) tampered(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	switch k.Tamper {
	case "":
	case "payload":
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "{", `{"admin":true,`, 1)))
	case "signature":
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		require.NoError(t, err)
		signature[len(signature)/2] ^= 1
		parts[2] = base64.RawURLEncoding.EncodeToString(signature)
	case "zero-signature":
		parts[2] = base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	case "padding":
		parts[2] += "="
	case "none":
		parts[0] = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
		parts[2] = ""
	default:
		require.Fail(t, "unknown way to tamper", k.Tamper)
	}
	return strings.Join(parts, ".")
}

// absolute turns times relative to now into NumericDates.
func absolute(t *testing.T, claims map[string]any) map[string]any {
	t.Helper()
	out := map[string]any{}
	for name, value := range claims {
		if text, ok := value.(string); ok && (name == "exp" || name == "nbf" || name == "iat") && strings.ContainsAny(text[:1], "+-") {
			d, err := time.ParseDuration(text)
			require.NoError(t, err)
			value = time.Now().Add(d).Unix()
		}
		out[name] = value
	}
	return out
}

// SignClaims makes a token of claims with a test key, for rings in which authz-filter's claims must come
// from a real one. Its key set is Keys.
func SignClaims(t *testing.T, claims map[string]any) string {
	t.Helper()
	return (&Token{Claims: claims}).Compact(t)
}

// Keys is the JWK Set of the test keys.
func Keys(t *testing.T) string { return testKeys.jwks(t) }

var testKeys keyring

// keyring holds a key of each kind and a stranger's, made when first needed.
type keyring struct {
	once           sync.Once
	ours, stranger map[string]crypto.Signer
}

func keyID(alg jose.SignatureAlgorithm) string {
	switch {
	case strings.HasPrefix(string(alg), "PS"):
		return keyID(jose.RS256)
	case alg == jose.ES384, alg == jose.ES512: // which have curves of their own
		return "test-" + strings.ToLower(string(alg))
	}
	return "test-" + strings.ToLower(string(alg)[:2])
}

func (k *keyring) make(t *testing.T) {
	t.Helper()
	k.once.Do(func() {
		set := func() map[string]crypto.Signer {
			rs, err := rsa.GenerateKey(rand.Reader, 2048)
			require.NoError(t, err)
			_, ed, err := ed25519.GenerateKey(rand.Reader)
			require.NoError(t, err)
			keys := map[string]crypto.Signer{keyID(jose.RS256): rs, keyID(jose.EdDSA): ed}
			for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{
				jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521(),
			} {
				keys[keyID(alg)], err = ecdsa.GenerateKey(curve, rand.Reader)
				require.NoError(t, err)
			}
			return keys
		}
		k.ours, k.stranger = set(), set()
	})
}

func (k *keyring) private(t *testing.T, alg jose.SignatureAlgorithm, stranger bool) any {
	t.Helper()
	k.make(t)
	if alg == jose.HS256 { // with the public key as the secret: the confusion of RFC 8725 section 2.1
		return []byte(k.jwks(t))
	}
	keys := k.ours
	if stranger {
		keys = k.stranger
	}
	require.Contains(t, keys, keyID(alg))
	return keys[keyID(alg)]
}

func (k *keyring) jwks(t *testing.T) string {
	t.Helper()
	k.make(t)
	var set jose.JSONWebKeySet
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA, jose.ES384, jose.ES512} {
		id := keyID(alg)
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.ours[id].Public(), KeyID: id, Use: "sig"})
	}
	text, err := json.Marshal(set)
	require.NoError(t, err)
	return string(text)
}
