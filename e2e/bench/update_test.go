package main

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

// TestVersionsDecide asks authz-filter itself how each version of the policies decides the request.
func TestVersionsDecide(t *testing.T) {
	r := updates()[1].request
	for i, services := range versions() {
		h := &hosttest.Host{
			Config:     []byte(authzConfig(services)),
			Headers:    [][2]string{{":method", "GET"}, {":path", r.Path}, {":authority", r.Host}},
			Properties: map[string]string{},
		}
		handler, err := plugin.Filter.Configure(h)
		require.NoError(t, err)
		assert.Equal(t, statuses[i] == 200, handler.RequestHeaders(h) == host.Continue, "version %d", i)
	}
}

func TestChosenUpdates(t *testing.T) {
	for expression, want := range map[string][]string{
		"":              {"rbac-1000", "authz-1000", "palisade-1000"},
		"palisade":      {"rbac-1000", "palisade-1000"},
		"rbac":          nil,
		"jwt":           nil,
		"^authz-1000$":  {"rbac-1000", "authz-1000"},
		"^authz-10000$": nil,
	} {
		var names []string
		for _, u := range chosenUpdates(regexp.MustCompile(expression)) {
			names = append(names, u.name)
		}
		assert.Equal(t, want, names, "%q", expression)
	}
}

// What Envoy discovers has the name and the type that it was told to look for.
func TestDiscovery(t *testing.T) {
	rendered, err := native("rbac", "x.RBAC", func() object { return object{"rules": "some"} })()
	require.NoError(t, err)
	placeholder, err := discovered("file.json", rendered)()
	require.NoError(t, err)
	assert.JSONEq(t, `{"name": "rbac", "config_discovery": {"type_urls": ["type.googleapis.com/x.RBAC"],
		"config_source": {"path_config_source": {"path": "file.json"}, "resource_api_version": "V3"}}}`, compact(placeholder))
	assert.True(t, json.Valid([]byte(discovery(rendered))))
	assert.JSONEq(t, `{"resources": [{"@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": "rbac",
		"typed_config": {"@type": "type.googleapis.com/x.RBAC", "rules": "some"}}]}`, discovery(rendered))
}
