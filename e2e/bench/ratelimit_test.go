package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/ratelimit-filter/plugin"
)

// TestLimitsDecide asks ratelimit-filter itself what it makes of the configurations and the requests. That the claims get to
// it in Envoy, a run shows: a request that lacks them is refused.
func TestLimitsDecide(t *testing.T) {
	claims := func(sub string) string { return `{"corp":{"sub":"` + sub + `"}}` }
	for name, c := range map[string]struct {
		limits []object
		keys   int // after three requests of two users with two tokens
		last   host.Action
	}{
		"one":     {[]object{limit("one", endless)}, 1, host.Continue},
		"claim":   {[]object{limit("claim", endless, "claim:sub")}, 2, host.Continue},
		"header":  {[]object{limit("header", slow, "header:authorization")}, 2, host.Continue},
		"two":     {[]object{limit("claim", endless, "claim:sub"), limit("one", endless)}, 3, host.Continue},
		"refused": {[]object{limit("claim", single, "claim:sub")}, 2, host.Stop},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hosttest.Host{Config: []byte(rateLimitConfig(object{}, claimsOfJWTFilter, c.limits...))}
			handler, err := plugin.Filter.Configure(h)
			require.NoError(t, err)
			r := withClaims(claimsOfJWTFilter)
			var action host.Action
			for i := range 3 {
				user := i % 2
				h.NextRequest([][2]string{
					{":method", "GET"}, {":path", r.Path}, {":authority", r.Host}, {"authorization", "Bearer " + apiKey(user)},
				}, map[string]string{"palisade.jwt": claims(fmt.Sprint(user))})
				action = handler.RequestHeaders(h)
			}
			assert.Equal(t, c.last, action)
			assert.EqualValues(t, c.keys, h.Metrics["palisade.ratelimit_keys"])

			h.NextRequest([][2]string{{":method", "GET"}, {":path", r.Path}, {":authority", r.Host}}, nil)
			if name != "one" {
				require.Equal(t, host.Stop, handler.RequestHeaders(h))
				assert.EqualValues(t, 403, h.Sent.Status, "without a key it would be another measurement")
			}
		})
	}
}

func TestPublishers(t *testing.T) {
	// What make bench builds is not there yet. Of what is in it, a bootstrap has only the name.
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "bench"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bench", "calls.wasm"), nil, 0o600))
	t.Setenv("PALISADE_BUILD_DIR", dir)
	names := map[bool]string{}
	for _, s := range limitScenarios() {
		require.NotEqual(t, nobody, s.request.Claims, s.name)
		config, err := bootstrap(s.chain()[:1])
		require.NoError(t, err)
		names[s.request.Claims == claimsOfJWTAuthn] = config
		assert.Len(t, s.chain(), 1+len(s.filters), s.name)
	}
	assert.Contains(t, names[true], `"metadata_namespace":"envoy.filters.http.jwt_authn"`)
	assert.Contains(t, names[false], `bench/calls`)
	assert.Empty(t, scenario{name: baseline}.chain())
}

func TestDistinctKeys(t *testing.T) {
	distinct := map[string]bool{}
	for _, key := range withKeys(request{}).Tokens() {
		distinct[key] = true
	}
	assert.Len(t, distinct, distinctKeys)
	assert.Greater(t, distinctKeys, 2*limitedKeys, "most have lost their bucket when they come again")
}

func TestScaled(t *testing.T) {
	scenarios := []scenario{{name: "a"}, {name: "b"}}
	one := [][]sample{{cpuSample(20, 1000), cpuSample(40, 500)}, {cpuSample(50, 400), cpuSample(50, 400)}}
	two := [][]sample{{cpuSample(30, 1200), cpuSample(50, 1000)}, {cpuSample(50, 800), cpuSample(55, 600)}}
	results := newScaled(scenarios, [2][][]sample{one, two})
	require.Len(t, results, 2)
	assert.Equal(t, scaledScenario{
		Name: "a",
		CPU:  [2]spread{{30, 20, 40}, {40, 30, 50}}, PerSecond: [2]spread{{750, 500, 1000}, {1100, 1000, 1200}},
		CPURatio: spread{1.375, 1.25, 1.5}, Gain: spread{1.6, 1.2, 2},
	}, results[0])
	results[1].LostSwaps = [2]float64{0, 0.00125}
	text := (&report{conditions: conditions{CPUs: 2}, Scaling: results[1:], ScalingStolen: 1.25}).String()
	assert.Equal(t, `
One worker and two, which share 2 CPUs with wrk; 1.2 % of the time stolen by the hypervisor.

| scenario | CPU us/request, one worker | two | ratio | scaling with free CPUs | requests/s, one | two | gain | lost swaps per 1000 requests, one | two |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| b | 50.0 (50.0 to 50.0) | 52.5 (50.0 to 55.0) | 1.05 (1.00 to 1.10) | 1.90 | 400 | 700 | 1.75 (1.50 to 2.00) | 0.00 | 1.25 |
`, text)
}

func TestChosenScaled(t *testing.T) {
	names := func(expression string) []string {
		var names []string
		for _, s := range chosenScaled(must(regexp.Compile(expression))) {
			names = append(names, s.name)
		}
		return names
	}
	assert.Equal(t, []string{baselineClaims, "local_ratelimit", "ratelimit-claim"}, names(""))
	assert.Equal(t, []string{baselineClaims, "ratelimit-claim"}, names("^ratelimit-claim$"))
	assert.Empty(t, names("authz"))
	assert.Empty(t, names(baselineClaims), "nothing to be compared")
}
