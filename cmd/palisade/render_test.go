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

// A palisade-filter's limits are those of its section.
func TestRenderRateLimitServiceOfASection(t *testing.T) {
	const config = "authz: {defaultAction: deny}\nratelimit:\n  global: {cluster: c, domain: mesh}\n" +
		"  limits:\n    - {name: each, key: [\"claim:sub\"], rate: {requests: 5, per: 1s}, scope: global}\n"
	for _, args := range [][]string{{"-"}, {"-f", "palisade-filter", "-"}, {"--filter", "palisade-filter", "-"}} {
		out, err := run(t, config, append([]string{"render", "ratelimit-service"}, args...)...)
		require.NoError(t, err, out)
		assert.YAMLEq(t, `{domain: mesh, descriptors: [{key: limit, value: each, descriptors: [
			{key: claim:sub, rate_limit: {unit: second, requests_per_unit: 5}},
			{key: missing, value: "true", rate_limit: {unit: second, requests_per_unit: 5}}]}]}`, out, args)
	}
}

// What it does not take, it says as check does.
func TestRenderRefusesAsCheckDoes(t *testing.T) {
	for name, c := range map[string]struct{ filter, config, want string }{
		"a mistake in the section":           {"palisade-filter", "ratelimit:\n  limits:\n    - {name: a}\n", "-:3:7: $.ratelimit.limits[0].rate: missing"},
		"a mistake in another section":       {"palisade-filter", "authz: {polices: []}\nratelimit: {}\n", "-:1:18: $.authz.polices: unknown field"},
		"a section that there is not":        {"palisade-filter", "waf: {}\nratelimit: {}\n", "-:1:6: $.waf: unknown field"},
		"a section that is null":             {"palisade-filter", "ratelimit:\n", "$.ratelimit: expected an object, found null"},
		"a section that is no object":        {"palisade-filter", "ratelimit: 1\n", "$.ratelimit: expected an object"},
		"a ratelimit-filter's configuration": {"palisade-filter", "limits: []\n", "$.limits: unknown field"},
		"a palisade-filter's":                {"ratelimit-filter", "ratelimit: {}\n", "$.ratelimit: unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := run(t, c.config, "check", "-f", c.filter, "-")
			require.ErrorIs(t, err, errMistakes)
			out, err := run(t, c.config, "render", "ratelimit-service", "-f", c.filter, "-")
			require.ErrorIs(t, err, errMistakes)
			assert.Equal(t, found, out)
			assert.Contains(t, out, c.want)
		})
	}
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
	_, err = run(t, "limits: []\n", "render", "ratelimit-service", "-f", "authz-filter", "-")
	require.ErrorContains(t, err, "expected ratelimit-filter or palisade-filter")
	_, err = run(t, "authz: {}\n", "render", "ratelimit-service", "-")
	require.ErrorContains(t, err, "no section ratelimit")
	_, err = run(t, "ratelimit: {limits: []}\n", "render", "ratelimit-service", "-")
	require.ErrorContains(t, err, "no limit has scope: global")
}
