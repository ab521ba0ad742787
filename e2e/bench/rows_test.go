package main

import (
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/palisade-filter/plugin"
)

// TestRowDecides asks palisade-filter itself: each of its three has something to decide about the request.
func TestRowDecides(t *testing.T) {
	h := &hosttest.Host{Config: []byte(rowConfig(numbered(20), object{}, limit("claim", endless, "claim:sub")))}
	handler, err := plugin.Filter.Configure(h)
	require.NoError(t, err)
	r := withToken(jose.RS256)
	for range 3 {
		h.NextRequest([][2]string{
			{":method", "GET"}, {":path", r.Path}, {":authority", r.Host}, {"authorization", r.Headers["Authorization"]},
		}, nil)
		require.Equal(t, host.Continue, handler.RequestHeaders(h))
	}
	assert.EqualValues(t, 2, h.Metrics["palisade.jwt_cache.result.hit"])
	assert.Contains(t, h.Properties["palisade.authz"], `"policy":"policy-000019"`)
	assert.Contains(t, h.Properties["palisade.ratelimit"], `"policy":"claim"`)
	assert.EqualValues(t, 1, h.Metrics["palisade.ratelimit_keys"])
}
