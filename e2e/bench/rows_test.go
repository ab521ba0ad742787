package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/palisade-filter/plugin"
)

// TestRowDecides asks palisade-filter itself: each of its three has something to decide about the request.
func TestRowDecides(t *testing.T) {
	for policies, decided := range map[int]string{20: "policy-000019", 10_000: "policy-009999"} {
		t.Run(decided, func(t *testing.T) { testRowDecides(t, policies, decided) })
	}
}

func testRowDecides(t *testing.T, policies int, decided string) {
	services := numbered(policies)
	h := &hosttest.Host{Config: []byte(rowConfig(services, object{}, limit("claim", endless, "claim:sub")))}
	handler, err := plugin.Filter.Configure(h)
	require.NoError(t, err)
	r := palisadeCached("", services).request
	for range 3 {
		h.NextRequest([][2]string{
			{":method", "GET"}, {":path", r.Path}, {":authority", r.Host}, {"authorization", r.Headers["Authorization"]},
		}, nil)
		require.Equal(t, host.Continue, handler.RequestHeaders(h))
	}
	assert.EqualValues(t, 2, h.Metrics["palisade.jwt_cache.result.hit"])
	assert.Contains(t, h.Properties["palisade.authz"], `"policy":"`+decided+`"`)
	assert.Contains(t, h.Properties["palisade.ratelimit"], `"policy":"claim"`)
	assert.EqualValues(t, 1, h.Metrics["palisade.ratelimit_keys"])
}
