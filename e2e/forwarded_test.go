package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// TestForwardedFor has a client say where it is. By default Envoy believes it,
// and gives a filter that as the source address, with the port 0.
func TestForwardedFor(t *testing.T) {
	const (
		claimed   = `{"policies": [{"name": "p", "rules": [{"from": [{"source": {"ipBlocks": ["203.0.113.0/24"]}}]}]}]}`
		connected = `{"policies": [{"name": "p", "rules": [{"from": [{"source": {"ipBlocks": ["127.0.0.0/8"]}}]}]}]}`
		denied    = `{"policies": [{"name": "p", "rules": [{}]}, {"name": "d", "action": "DENY", "rules": [{"from": [{"source": {"ipBlocks": ["127.0.0.0/8"]}}]}]}]}`
	)
	tests := []struct {
		name, config string
		useRemote    bool
		want         int
	}{
		{"claimed to be in an allowed block", claimed, false, 403},
		{"claimed to be outside of a denied block", denied, false, 403},
		{"claimed to be in an allowed block, Envoy sees for itself", claimed, true, 403},
		{"connected from an allowed block, Envoy sees for itself", connected, true, 200},
		{"connected from a denied block, Envoy sees for itself", denied, true, 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			upstream := startUpstream(t)
			e := startEnvoy(t, render(t, envoy.Bootstrap{
				Listeners: []envoy.Listener{{
					Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{{Name: "authz-filter", Config: test.config}},
					Manager: map[string]any{"use_remote_address": test.useRemote},
				}},
				Clusters: []envoy.Cluster{upstream.Cluster("upstream")},
			}))
			status, _ := get(t, nil, "http://"+e.Listener("inbound")+"/", http.Header{"X-Forwarded-For": {"203.0.113.7"}})
			assert.Equal(t, test.want, status)
		})
	}
}
