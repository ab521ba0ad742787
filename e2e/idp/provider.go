package idp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Provider issues tokens in the name of one issuer.
type Provider struct {
	Issuer     string
	serving    sync.Mutex // one request at a time, for Rotate
	generation int
	keys       map[jose.SignatureAlgorithm]jose.JSONWebKey
}

// Claims of a token, as they go into its payload.
type Claims map[string]any

// New makes a provider with fresh keys.
func New(issuer string) (*Provider, error) {
	p := &Provider{Issuer: issuer}
	return p, p.Rotate()
}

// Rotate replaces the provider's keys by fresh ones with other IDs. The old
// ones are gone at once, as after a leak. It must not be called while another
// method runs.
func (p *Provider) Rotate() error {
	keys, err := newKeys(p.generation + 1)
	if err != nil {
		return err
	}
	p.generation++
	p.keys = keys
	return nil
}

// Claims are those of a good token, valid for five minutes. Entries of extra
// replace them; an entry that is nil removes the claim.
func (p *Provider) Claims(subject, audience string, extra Claims) Claims {
	now := time.Now()
	claims := Claims{
		"iss": p.Issuer,
		"sub": subject,
		"aud": audience,
		"iat": now.Unix(),
		"exp": now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, extra)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// Sign makes a compact JWS over claims with the provider's key for alg.
func (p *Provider) Sign(alg jose.SignatureAlgorithm, claims Claims) (string, error) {
	key, ok := p.keys[alg]
	if !ok {
		return "", fmt.Errorf("idp: no key for algorithm %q", alg)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("idp: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("idp: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("idp: %w", err)
	}
	return signed.CompactSerialize()
}

// Expire returns claims whose token ran out ago.
func Expire(claims Claims, ago time.Duration) Claims {
	expired := maps.Clone(claims)
	expired["iat"] = time.Now().Add(-ago - 5*time.Minute).Unix()
	expired["exp"] = time.Now().Add(-ago).Unix()
	return expired
}

// Forge signs claims with a key that the issuer never published, under the
// kid of the one that it did.
func Forge(alg jose.SignatureAlgorithm, claims Claims) (string, error) {
	stranger, err := New("")
	if err != nil {
		return "", err
	}
	return stranger.Sign(alg, claims)
}

// Unsecured is a token with "alg": "none" and no signature (RFC 7519 section
// 6), which nobody may accept.
func Unsecured(claims Claims) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("idp: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + ".", nil
}
