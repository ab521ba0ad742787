package plugin_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

const (
	memoryTokens = 20_000
	memoryLimit  = 16 << 20 // bytes
)

// TestWasmMemory sends an hour of tokens, each of which comes once, through one VM with the default cache: what is no
// longer in the cache must be given back. As a module's memory never shrinks, its size is the most that it needed.
func TestWasmMemory(t *testing.T) {
	m, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	for name, groups := range map[string]int{
		"500 to 1,200 bytes": 10,
		"3,100 to 3,900 bytes, nearly the most to be kept": 150,
	} {
		t.Run(name, func(t *testing.T) { testMemory(t, m, groups) })
	}
}

// testMemory has tokens with at least so many groups, and up to 40 more.
func testMemory(t *testing.T, m *wasmtest.Module, groups int) {
	issuer := newMemoryIssuer(t, groups)
	now := time.Now().Truncate(time.Second)
	h := &hosttest.Host{Config: issuer.config(t), Clock: func() time.Time { return now }}
	vm, err := m.Start(t.Context(), h)
	require.NoError(t, err)

	var curve []string
	shortest, longest := math.MaxInt, 0
	half := uint32(0)
	for i := range memoryTokens {
		if i%(memoryTokens/20) == 0 {
			curve = append(curve, fmt.Sprintf("%d: %.1f MB", i, float64(vm.Memory())/(1<<20)))
		}
		if i == memoryTokens/2 {
			half = vm.Memory()
		}
		token := issuer.token(t, i, now)
		shortest, longest = min(shortest, len(token)), max(longest, len(token))
		h.NextRequest([][2]string{
			{":method", "GET"}, {":path", "/records/42"}, {":authority", "records"},
			{"authorization", "Bearer " + token},
		}, nil)
		action, err := vm.Request()
		require.NoError(t, err)
		require.Equal(t, host.Continue, action, "token %d: %v", i, h.Logs)
		now = now.Add(time.Hour / memoryTokens)
	}
	t.Logf("tokens of %d to %d bytes; VM memory by token: %s; at the end: %.1f MB", shortest, longest,
		strings.Join(curve, ", "), float64(vm.Memory())/(1<<20))
	assert.EqualValues(t, memoryTokens, h.Metrics["palisade.jwt_cache.result.miss"], "all are distinct")
	assert.Less(t, vm.Memory(), uint32(memoryLimit))
	assert.Equal(t, half, vm.Memory(), "it no longer grows")
}

// memoryIssuer signs with HS256, so that the time goes into the cache rather than into signatures.
type memoryIssuer struct {
	groups int
	secret []byte
	signer jose.Signer
}

func newMemoryIssuer(t *testing.T, groups int) *memoryIssuer {
	t.Helper()
	issuer := &memoryIssuer{groups: groups, secret: make([]byte, 32)}
	_, _ = rand.Read(issuer.secret)
	var err error
	issuer.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: issuer.secret}, nil)
	require.NoError(t, err)
	return issuer
}

func (m *memoryIssuer) config(t *testing.T) []byte {
	t.Helper()
	type object = map[string]any
	key := object{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString(m.secret)}
	config, err := json.Marshal(object{"providers": object{"corp": object{
		"issuer": "https://idp.example", "algorithms": []string{"HS256"}, "jwks": object{"keys": []object{key}},
		"outputClaimToHeaders": []object{{"header": "x-user", "claim": "sub"}},
	}}})
	require.NoError(t, err)
	return config
}

// token is valid for five minutes, and not before. Tokens differ in length, so that one does not simply take the place of
// another.
func (m *memoryIssuer) token(t *testing.T, number int, now time.Time) string {
	t.Helper()
	payload, err := json.Marshal(map[string]any{
		"iss": "https://idp.example", "sub": fmt.Sprintf("user-%d", number), "aud": "records", "jti": fmt.Sprint(number),
		"nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "scope": "openid profile read write",
		"email": "alice@example.org", "groups": strings.Fields(strings.Repeat("engineering ", m.groups+number*7%40)),
	})
	require.NoError(t, err)
	jws, err := m.signer.Sign(payload)
	require.NoError(t, err)
	text, err := jws.CompactSerialize()
	require.NoError(t, err)
	return text
}
