package plugin_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

// BenchmarkWasmSignatures is a request with a token that is in no cache, on a host without verify_signature:
//
//	PALISADE_BUILD_DIR=$PWD/build go test -run '^$' -bench WasmSignatures ./jwt-filter/plugin
func BenchmarkWasmSignatures(b *testing.B) {
	m, err := wasmtest.Load(b.Context(), wasmtest.Artifact(b, plugin.Filter.Name))
	require.NoError(b, err)
	defer func() { require.NoError(b, m.Close(b.Context())) }()

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(b, err)
	secret := make([]byte, 32)
	for _, c := range []struct {
		algorithm       jose.SignatureAlgorithm
		private, public any
	}{
		{jose.HS256, secret, secret},
		{jose.RS256, rsaKey, rsaKey.Public()},
		{jose.PS256, rsaKey, rsaKey.Public()},
		{jose.EdDSA, edKey, edKey.Public()},
		{jose.ES256, ecKey, ecKey.Public()},
	} {
		b.Run(string(c.algorithm), func(b *testing.B) {
			config, err := json.Marshal(map[string]any{
				"cache": map[string]any{"entries": 0},
				"providers": map[string]any{"corp": map[string]any{
					"issuer": "https://idp.example", "algorithms": []string{string(c.algorithm)},
					"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.public}}},
				}},
			})
			require.NoError(b, err)
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: c.algorithm, Key: c.private}, nil)
			require.NoError(b, err)
			claims, err := json.Marshal(map[string]any{
				"iss": "https://idp.example", "sub": "alice", "scope": "read write", "exp": time.Now().Add(time.Hour).Unix(),
			})
			require.NoError(b, err)
			jws, err := signer.Sign(claims)
			require.NoError(b, err)
			token, err := jws.CompactSerialize()
			require.NoError(b, err)

			h := &hosttest.Host{Config: config}
			vm, err := m.Start(b.Context(), h)
			require.NoError(b, err)
			headers := [][2]string{
				{":method", "GET"}, {":path", "/"}, {":authority", "service.test"}, {"authorization", "Bearer " + token},
			}
			for b.Loop() {
				h.NextRequest(headers, nil)
				action, err := vm.Request()
				if err != nil || action != host.Continue {
					b.Fatal(err, h.Sent)
				}
			}
		})
	}
}
