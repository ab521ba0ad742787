package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// TestBadConfiguration gives a filter a configuration with one mistake: no
// request may get past it, and the log must say where the mistake is.
func TestBadConfiguration(t *testing.T) {
	const (
		goodJWT   = `{"providers": {"corp": {"issuer": "https://idp.example", "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}}, "rules": [{"require": {"provider": "corp"}}]}`
		goodAuthz = `{"policies": [{"name": "all", "action": "ALLOW", "rules": [{}]}]}`
	)
	tests := []struct {
		name, filter, config, log string
	}{
		{"unknown field", "authz-filter", `{"policy": []}`, "authz-filter: config: $.policy"},
		{"wrong type", "authz-filter", `{"policies": [{"name": "all", "action": "ALLOW", "rules": "*"}]}`, "authz-filter: config: $.policies[0].rules"},
		{"unknown action", "authz-filter", `{"policies": [{"name": "all", "action": "PERMIT", "rules": [{}]}]}`, "authz-filter: config: $.policies[0].action"},
		{"duplicate member", "authz-filter", `{"defaultAction": "deny", "defaultAction": "allow"}`, "authz-filter: config: $"},
		{"not JSON", "authz-filter", `policies: []`, "authz-filter: config: $"},
		{"no CEL", "ratelimit-filter", celKey(`request.path +`), "ratelimit-filter: config: $.limits[0].key[0]"},
		{"half an expression", "ratelimit-filter", celKey(`request.path) + (request.host`), "ratelimit-filter: config: $.limits[0].key[0]"},
		{"mistake in a section", "palisade-filter", `{"authz": {"policies": []}, "ratelimit": {"limit": []}}`, "palisade-filter: config: $.ratelimit.limit:"},
		{"no CEL", "palisade-filter", `{"ratelimit": ` + celKey(`request.path +`) + `}`, "palisade-filter: config: $.ratelimit.limits[0].key[0]"},
		{"no section", "palisade-filter", `{}`, "palisade-filter: config: $: nothing is configured"},
		{"no configuration", "jwt-filter", ``, "jwt-filter: config: $"},
		{"unknown field", "jwt-filter", `{"provider": {}}`, "jwt-filter: config: $.provider"},
		{"unknown provider", "jwt-filter", `{"providers": {}, "rules": [{"require": {"provider": "corp"}}]}`, "jwt-filter: config: $.rules[0].require.provider"},
	}
	for _, test := range tests {
		t.Run(test.filter+" "+test.name, func(t *testing.T) {
			upstream := startUpstream(t)
			e, err := tryEnvoy(t, envoy.Options{Bootstrap: oneFilter(t, upstream, envoy.Wasm{Name: test.filter, Config: test.config})})
			var log string
			if err != nil {
				log = refused(t, err).Log
			} else {
				status, _ := get(t, nil, "http://"+e.Listener("inbound")+"/", nil)
				assert.Equal(t, 503, status)
				log = e.Log().String()
			}
			assert.Contains(t, log, test.log)
			assert.Zero(t, upstream.Requests())
		})
	}

	// The same with good configurations: what refuses above is the mistake.
	t.Run("authz-filter without mistake", func(t *testing.T) {
		upstream := startUpstream(t)
		e := startEnvoy(t, oneFilter(t, upstream, envoy.Wasm{Name: "authz-filter", Config: goodAuthz}))
		status, _ := get(t, nil, "http://"+e.Listener("inbound")+"/", nil)
		assert.Equal(t, 200, status)
		assert.EqualValues(t, 1, upstream.Requests())
	})
	t.Run("jwt-filter without mistake", func(t *testing.T) {
		upstream := startUpstream(t)
		e := startEnvoy(t, oneFilter(t, upstream, envoy.Wasm{Name: "jwt-filter", Config: goodJWT}))
		status, _ := get(t, nil, "http://"+e.Listener("inbound")+"/", nil)
		assert.Equal(t, 401, status)
		assert.Zero(t, upstream.Requests())
	})
}

func celKey(expression string) string {
	return `{"limits": [{"name": "a", "key": ["cel:` + expression + `"], "rate": {"requests": 1, "per": "1h"}}]}`
}

// TestStructConfiguration gives a configuration as a message: Envoy hands its
// encoding to the filter.
func TestStructConfiguration(t *testing.T) {
	upstream := startUpstream(t)
	e := startEnvoy(t, oneFilter(t, upstream, envoy.Wasm{Name: "authz-filter", AsStruct: true,
		Config: `{"policies": [{"name": "all", "rules": [{"to": [{"operation": {"ports": [1], "methods": ["POST"]}}]}]},
			{"name": "gets", "rules": [{"to": [{"operation": {"methods": ["GET"], "paths": ["/a"]}}]}]}]}`}))
	status, _ := get(t, nil, "http://"+e.Listener("inbound")+"/a", nil)
	assert.Equal(t, 200, status)
	status, _ = get(t, nil, "http://"+e.Listener("inbound")+"/b", nil)
	assert.Equal(t, 403, status)
	assert.EqualValues(t, 1, upstream.Requests())
}

// oneFilter is an Envoy with this filter before an upstream.
func oneFilter(t *testing.T, upstream *envoy.Upstream, filter envoy.Wasm) string {
	t.Helper()
	return render(t, envoy.Bootstrap{
		Listeners: []envoy.Listener{{Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{filter}}},
		Clusters:  []envoy.Cluster{upstream.Cluster("upstream")},
	})
}
