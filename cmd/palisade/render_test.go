package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRenderRateLimitService(t *testing.T) {
	const config = "global: {cluster: c}\nlimits:\n  - {name: all, rate: {requests: 5, per: 1s}, scope: global}\n"
	out, err := run(t, config, "render", "ratelimit-service", "-")
	require.NoError(t, err)
	assert.YAMLEq(t, `{domain: palisade, descriptors: [{key: limit, value: all, rate_limit: {unit: second, requests_per_unit: 5}}]}`, out)
}

func TestRenderRefuses(t *testing.T) {
	_, err := run(t, "limits: []\n", "render", "ratelimit-service", "-")
	require.ErrorContains(t, err, "no limit has scope: global")
	out, err := run(t, "limits:\n  - {name: a}\n", "render", "ratelimit-service", "-")
	require.ErrorIs(t, err, errMistakes)
	assert.Contains(t, out, "-:2:5: $.limits[0].rate: missing")
	_, err = run(t, "a: [", "render", "ratelimit-service", "-")
	require.ErrorIs(t, err, errMistakes)
	_, err = run(t, "", "render", "ratelimit-service")
	require.ErrorContains(t, err, "name one file")
}
