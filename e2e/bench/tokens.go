package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	issuer   = "https://idp.example"
	audience = "records"
)

// issuerOf is an identity provider with one key, so that no filter has to look for it among others.
type issuerOf jose.SignatureAlgorithm

// jwks is its public key as a JWK Set.
func (i issuerOf) jwks() json.RawMessage {
	key := i.key()
	if _, symmetric := key.Key.([]byte); !symmetric {
		key = key.Public()
	}
	return must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}}))
}

// token is as long as tokens of users are: some 250 bytes of claims. It outlives every run. Tokens with different
// numbers differ.
func (i issuerOf) token(number int) string {
	now := time.Now()
	claims := object{
		"iss": issuer, "aud": audience, "sub": "2f1c3d4e-0000-4000-8000-000000000001", "azp": "frontend",
		"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(), "jti": fmt.Sprintf("8a0c7f52-0000-4000-8000-%012d", number),
		"scope": "openid profile read write", "email": "alice@example.org", "org": object{"dept": "sales"},
	}
	key := i.key()
	signing := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(i), Key: key.Key}
	signer := must(jose.NewSigner(signing, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", key.KeyID)))
	return must(must(signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

// bearer is the header that carries a token.
func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

func (i issuerOf) key() jose.JSONWebKey {
	alg := jose.SignatureAlgorithm(i)
	key := jose.JSONWebKey{KeyID: "bench", Algorithm: string(alg), Use: "sig"}
	switch alg {
	case jose.RS256, jose.PS256:
		key.Key = keys().rsa
	case jose.ES256:
		key.Key = keys().ecdsa
	case jose.EdDSA:
		key.Key = keys().ed25519
	case jose.HS256:
		key.Key = keys().secret
	}
	return key
}

// keys are made when they are first needed.
var keys = sync.OnceValue(func() (k struct {
	rsa     *rsa.PrivateKey
	ecdsa   *ecdsa.PrivateKey
	ed25519 ed25519.PrivateKey
	secret  []byte
}) {
	k.rsa = must(rsa.GenerateKey(rand.Reader, 2048))
	k.ecdsa = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	k.ed25519 = must(private, err)
	k.secret = make([]byte, 32)
	_, _ = rand.Read(k.secret) // never fails
	return k
})

// must is for what cannot fail, as nothing of it comes from outside.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
