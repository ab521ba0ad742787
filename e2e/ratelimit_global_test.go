package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/ratelimitservice"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/ratelimit-filter/ratelimit"
	"github.com/palisade-mesh/palisade/ratelimit-filter/serviceconfig"
)

// rateLimitService is a real one with its Redis, configured for a filter.
func rateLimitService(t *testing.T, filterConfig string) (*ratelimitservice.Service, *ratelimitservice.Redis) {
	t.Helper()
	config, err := ratelimit.Decode([]byte(filterConfig))
	require.NoError(t, err)
	yaml, err := serviceconfig.YAML(config)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	redis, err := ratelimitservice.StartRedis(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, redis.Stop()) })
	service, err := ratelimitservice.Start(ctx, ratelimitservice.Options{Redis: redis, Config: string(yaml)})
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(service.Log())
		}
		assert.NoError(t, service.Stop())
	})
	return service, redis
}

// globally is a filter that has global limits, by users of whom it knows in its own way.
type globally struct {
	filter string
	user   string // the part of a key that says who asks
	// config is the filter's, with what would be ratelimit-filter's.
	config func(t *testing.T, limits string) string
	// as has a request come from a user.
	as func(t *testing.T, r *http.Request, user string)
}

// forEachGlobally runs a test with each filter that has global limits: ratelimit-filter, which believes a header, and
// palisade-filter, where a user is who a token says, if its authz allows what he asks.
func forEachGlobally(t *testing.T, test func(t *testing.T, g *globally)) {
	for _, g := range []*globally{byHeader, byToken} {
		t.Run(g.filter, func(t *testing.T) { test(t, g) })
	}
}

var byHeader = &globally{
	filter: "ratelimit-filter", user: "header:x-user",
	config: func(_ *testing.T, limits string) string { return limits },
	as:     func(_ *testing.T, r *http.Request, user string) { r.Header.Set("x-user", user) },
}

var byToken = &globally{
	filter: "palisade-filter", user: "claim:sub",
	config: func(t *testing.T, limits string) string {
		return `{"jwt": {"providers": {"corp": {"issuer": "https://idp.example", "jwks": ` + casetest.Keys(t) + `}}},
			"authz": {"policies": [{"name": "read", "rules": [{"to": [{"operation": {"methods": ["GET"]}}],
				"when": [{"key": "request.auth.claims[scope]", "values": ["read"]}]}]}]},
			"ratelimit": ` + limits + `}`
	},
	as: func(t *testing.T, r *http.Request, user string) { bearToken(t, r, user, "read") },
}

// bearToken gives a request a token of its own, so that few are found in a cache.
func bearToken(t *testing.T, r *http.Request, user, scope string) {
	t.Helper()
	r.Header.Set("authorization", "Bearer "+casetest.SignClaims(t, map[string]any{
		"iss": "https://idp.example", "sub": user, "scope": scope, "exp": "+1h",
	}))
}

// envoy is one with the filter, and what would be ratelimit-filter's configuration, before the upstream.
func (g *globally) envoy(t *testing.T, workers int, limits string, clusters ...envoy.Cluster) *envoy.Envoy {
	t.Helper()
	return startEnvoyWith(t, envoy.Options{Concurrency: workers, Bootstrap: render(t, envoy.Bootstrap{
		Clusters: clusters,
		Listeners: []envoy.Listener{{
			Name: "limited", Cluster: "upstream", Filters: []envoy.Wasm{{Name: g.filter, Config: g.config(t, limits)}},
		}},
	})})
}

func global(service, limits string) string {
	return `{"global": {"cluster": "ratelimit", ` + service + `}, "limits": [` + limits + `]}`
}

// quietWindow is a window of the service that does not turn while a test counts.
func quietWindow(t *testing.T) string {
	t.Helper()
	const long = 2 * time.Minute
	for {
		for _, window := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
			if time.Duration(time.Now().UnixNano())%window < window-long {
				return window.String()
			}
		}
		time.Sleep(time.Second) // on Thursdays, at midnight
	}
}

// statuses are the answers to users, counted.
type statuses struct {
	mu sync.Mutex
	as func(t *testing.T, r *http.Request, user string) // nil: by a header
	by map[string]map[int]int                           // by user
}

// ask asks once as a user.
func (s *statuses) ask(t *testing.T, client *http.Client, address, user string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", http.NoBody)
	require.NoError(t, err)
	as := s.as
	if as == nil {
		as = byHeader.as
	}
	as(t, request, user)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]map[int]int{}
	}
	if s.by[user] == nil {
		s.by[user] = map[int]int{}
	}
	s.by[user][response.StatusCode]++
	return reply{response.StatusCode, response.Header, string(body)}
}

// Two Envoys with two workers each and one Redis are together exact, also for keys that could be taken for one another.
func TestGlobalLimitOverTwoEnvoys(t *testing.T) { forEachGlobally(t, testGlobalLimitOverTwoEnvoys) }

func testGlobalLimitOverTwoEnvoys(t *testing.T, g *globally) {
	const limit, connections, each = 40, 8, 12
	config := global(`"timeout": "5s", "onError": "deny"`,
		`{"name": "per_user", "key": ["`+g.user+`", "method"], "rate": {"requests": `+fmt.Sprint(limit)+`, "per": "`+quietWindow(t)+`"}, "scope": "global",
			"overrides": [{"key": ["big*", "*"], "rate": {"requests": 60, "per": "`+quietWindow(t)+`"}}, {"key": ["free", "*"], "unlimited": true}]},
		{"name": "trial", "mode": "dry-run", "rate": {"requests": 1, "per": "`+quietWindow(t)+`"}, "scope": "global"}`)
	service, redis := rateLimitService(t, config)
	upstream := startUpstream(t)
	var envoys []*envoy.Envoy
	for range 2 {
		envoys = append(envoys, g.envoy(t, 2, config, upstream.Cluster("upstream"), service.Cluster("ratelimit")))
	}
	want := map[string]int{"alice": limit, "a_b": limit, "a_method_GET": limit, "big_batch": 60, "free": 2 * connections * each}
	s := statuses{as: g.as}
	var wait sync.WaitGroup
	for _, e := range envoys {
		for range connections {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			t.Cleanup(client.CloseIdleConnections)
			wait.Go(func() {
				for range each {
					for key := range want {
						s.ask(t, client, e.Listener("limited"), key)
					}
				}
			})
		}
	}
	wait.Wait()
	for key, admitted := range want {
		assert.Equal(t, admitted, s.by[key][200], "%s: %v", key, s.by[key])
		assert.Equal(t, 2*connections*each, s.by[key][200]+s.by[key][429], "%s: %v", key, s.by[key])
	}
	counts, err := redis.Counts(t.Context())
	require.NoError(t, err)
	for _, name := range []string{
		"limit_per%5Fuser_" + g.user + "_a%5Fmethod%5FGET_method_GET",
		"limit_per%5Fuser_" + g.user + "_big%5Fbatch_method_GET_override_big%2A,%2A", "dry-run_trial",
	} {
		assert.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(counts)), func(k string) bool { return strings.Contains(k, name) }), "%s in %v", name, counts)
	}
	metrics, err := envoys[0].Prometheus(t.Context())
	require.NoError(t, err)
	assert.True(t, strings.Contains(metrics, `palisade_ratelimit_service{result="over_limit"}`))
	assert.False(t, strings.Contains(metrics, `palisade_ratelimit_service{result="error"}`))
}

// Who waits as long as Retry-After says is admitted.
func TestGlobalRetryAfter(t *testing.T) { forEachGlobally(t, testGlobalRetryAfter) }

func testGlobalRetryAfter(t *testing.T, g *globally) {
	config := global(`"timeout": "5s", "onError": "deny"`, `{"name": "all", "rate": {"requests": 2, "per": "1s"}, "scope": "global"}`)
	service, _ := rateLimitService(t, config)
	e := g.envoy(t, 1, config, startUpstream(t).Cluster("upstream"), service.Cluster("ratelimit"))
	s := statuses{as: g.as}
	for range 3 {
		for {
			response := s.ask(t, http.DefaultClient, e.Listener("limited"), "a")
			if response.status == http.StatusOK {
				assert.NotEmpty(t, response.header.Get("ratelimit"))
				continue
			}
			require.Equal(t, http.StatusTooManyRequests, response.status)
			require.Equal(t, "1", response.header.Get("retry-after"))
			break
		}
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, s.ask(t, http.DefaultClient, e.Listener("limited"), "a").status)
	}
}

// A service that is dead, that hangs, that is slow and that comes back.
func TestGlobalServiceFails(t *testing.T) { forEachGlobally(t, testGlobalServiceFails) }

func testGlobalServiceFails(t *testing.T, g *globally) {
	const limit = 5
	limits := `{"name": "per-user", "key": ["` + g.user + `"], "rate": {"requests": 5, "per": "` + quietWindow(t) + `"}, "scope": "global"}`
	for onError, admitted := range map[string]int{"instance": limit, "allow": 20, "deny": 0} {
		t.Run(onError, func(t *testing.T) {
			t.Parallel()
			config := global(`"timeout": "500ms", "onError": "`+onError+`"`, limits)
			service, _ := rateLimitService(t, config)
			slow, err := ratelimitservice.StartSlow(service.Address(), 2*time.Second)
			require.NoError(t, err)
			t.Cleanup(slow.Stop)
			upstream := startUpstream(t)
			direct := g.envoy(t, 1, config, upstream.Cluster("upstream"), service.Cluster("ratelimit"))
			through := g.envoy(t, 1, config, upstream.Cluster("upstream"),
				envoy.Cluster{Name: "ratelimit", Host: "127.0.0.1", Port: slow.Port(), HTTP2: true})

			s := statuses{as: g.as}
			many := func(e *envoy.Envoy, key string) {
				t.Helper()
				for range 20 {
					s.ask(t, http.DefaultClient, e.Listener("limited"), key)
				}
			}
			many(direct, "before")
			assert.Equal(t, limit, s.by["before"][200])

			many(through, "slow")
			assert.Equal(t, admitted, s.by["slow"][200], "slow: %v", s.by["slow"])
			require.NoError(t, service.Pause())
			many(direct, "hangs")
			assert.Equal(t, admitted, s.by["hangs"][200], "hangs: %v", s.by["hangs"])
			require.NoError(t, service.Continue())
			service.Kill()
			many(direct, "dead")
			assert.Equal(t, admitted, s.by["dead"][200], "dead: %v", s.by["dead"])

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.NoError(t, service.Restart(ctx))
			ok, err := direct.Stat(ctx, "wasmcustom.palisade.ratelimit_service.result.ok")
			require.NoError(t, err)
			for i := 0; ; i++ { // until the breaker lets one through
				s.ask(t, http.DefaultClient, direct.Listener("limited"), fmt.Sprintf("waits-%d", i))
				now, err := direct.Stat(ctx, "wasmcustom.palisade.ratelimit_service.result.ok")
				require.NoError(t, err)
				if now > ok {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			many(direct, "after")
			assert.Equal(t, limit, s.by["after"][200], "after: %v", s.by["after"])
			assert.Eventually(t, func() bool { // Envoy merges histograms now and then
				metrics, err := direct.Prometheus(ctx)
				return err == nil && strings.Contains(metrics, "palisade_ratelimit_service_microseconds_bucket")
			}, 30*time.Second, 100*time.Millisecond)
		})
	}
}

// Whom jwt or authz refuses, the service does not hear of.
func TestGlobalLimitIsForWhomAuthzAllows(t *testing.T) {
	limits := global(`"timeout": "5s", "onError": "deny"`,
		`{"name": "per-user", "key": ["claim:sub"], "rate": {"requests": 2, "per": "`+quietWindow(t)+`"}, "scope": "global"}`)
	service, redis := rateLimitService(t, limits)
	e := byToken.envoy(t, 2, limits, startUpstream(t).Cluster("upstream"), service.Cluster("ratelimit"))
	send := func(as func(t *testing.T, r *http.Request, user string), user string) (status int) {
		t.Helper()
		return (&statuses{as: as}).ask(t, http.DefaultClient, e.Listener("limited"), user).status
	}
	toWrite := func(t *testing.T, r *http.Request, user string) { bearToken(t, r, user, "write") }
	forged := func(t *testing.T, r *http.Request, user string) {
		stranger := casetest.Token{Key: "stranger", Claims: map[string]any{"iss": "https://idp.example", "sub": user, "scope": "read", "exp": "+1h"}}
		r.Header.Set("authorization", "Bearer "+stranger.Compact(t))
	}
	for range 5 {
		require.Equal(t, http.StatusForbidden, send(toWrite, "alice"))
		require.Equal(t, http.StatusUnauthorized, send(forged, "alice"))
		require.Equal(t, http.StatusUnauthorized, send(byHeader.as, "alice"))
	}
	counts, err := redis.Counts(t.Context())
	require.NoError(t, err)
	require.Empty(t, counts)
	for _, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		require.Equal(t, want, send(byToken.as, "alice"))
	}
	require.Equal(t, http.StatusForbidden, send(toWrite, "alice"), "not 429: he may not ask at all")
	counts, err = redis.Counts(t.Context())
	require.NoError(t, err)
	require.Len(t, counts, 1)
	for key, n := range counts {
		assert.Contains(t, key, "claim:sub_alice")
		assert.Equal(t, 3, n)
	}
}

// Tokens of a language model, say: what a response says is charged to the service, too.
func TestGlobalCostFromResponse(t *testing.T) {
	config := global(`"timeout": "5s", "onError": "deny"`, `{"name": "tokens", "key": ["header:x-user"], "cost": 0,
		"costFromResponse": {"header": "x-tokens-used", "max": 1000}, "rate": {"requests": 100, "per": "`+quietWindow(t)+`"}, "scope": "global"}`)
	service, redis := rateLimitService(t, config)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x-tokens-used", "60") }))
	t.Cleanup(upstream.Close)
	e := byHeader.envoy(t, 1, config, envoy.Cluster{Name: "upstream", Host: "127.0.0.1", Port: port(t, upstream.Listener.Addr().String())},
		service.Cluster("ratelimit"))
	var s statuses
	charged := func(want int) func() bool {
		return func() bool {
			counts, err := redis.Counts(t.Context())
			return err == nil && slices.Contains(slices.Collect(maps.Values(counts)), want)
		}
	}
	for _, want := range []int{60, 120} {
		require.Equal(t, 200, s.ask(t, http.DefaultClient, e.Listener("limited"), "a").status)
		require.Eventually(t, charged(want), 10*time.Second, 10*time.Millisecond)
	}
	require.Equal(t, 429, s.ask(t, http.DefaultClient, e.Listener("limited"), "a").status)
	require.Equal(t, 200, s.ask(t, http.DefaultClient, e.Listener("limited"), "b").status)
}
