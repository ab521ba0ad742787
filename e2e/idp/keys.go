// Package idp is a small identity provider for tests and for the demo mesh: it
// publishes a JWK Set and issues signed tokens, valid ones and broken ones.
package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// rsaBits is the smallest size that RFC 7518 section 3.3 allows.
const rsaBits = 2048

// Algorithms that a provider has a key for, in the order of its JWK Set.
var Algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// generate makes a private key for alg.
func generate(alg jose.SignatureAlgorithm) (crypto.Signer, error) {
	switch alg {
	case jose.RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	default:
		return nil, fmt.Errorf("no key is made for algorithm %q", alg)
	}
}

// newKeys makes one private key for every algorithm. The key IDs are the same
// for every provider on purpose: a forger may choose any kid. Only those of
// later generations differ.
func newKeys(generation int) (map[jose.SignatureAlgorithm]jose.JSONWebKey, error) {
	suffix := ""
	if generation > 1 {
		suffix = fmt.Sprintf("-%d", generation)
	}
	keys := make(map[jose.SignatureAlgorithm]jose.JSONWebKey, len(Algorithms))
	for _, alg := range Algorithms {
		key, err := generate(alg)
		if err != nil {
			return nil, fmt.Errorf("idp: %w", err)
		}
		keys[alg] = jose.JSONWebKey{Key: key, KeyID: "key-" + string(alg) + suffix, Algorithm: string(alg), Use: "sig"}
	}
	return keys, nil
}

// JWKS is the provider's public keys as a JWK Set document (RFC 7517).
func (p *Provider) JWKS() json.RawMessage {
	var set jose.JSONWebKeySet
	for _, alg := range Algorithms {
		key := p.keys[alg]
		set.Keys = append(set.Keys, key.Public())
	}
	document, err := json.Marshal(set)
	if err != nil {
		panic(err) // public keys that were just made always encode
	}
	return document
}
