package plugin_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// Configurations with the same vm_id share a VM, and so do an old and a new one while connections of the old last. Each
// request is decided by its own.
func TestWasmPluginsOfOneVM(t *testing.T) {
	m, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	policy := func(method, path string) string {
		return `{"name": "` + method + path + `", "action": "ALLOW",
			"rules": [{"to": [{"operation": {"methods": ["` + method + `"], "paths": ["` + path + `"]}}]}]}`
	}
	hosts := map[string]*hosttest.Host{}
	for _, method := range []string{"GET", "PUT", "POST", "LATE"} {
		hosts[method] = &hosttest.Host{Config: []byte(`{"policies": [` + policy(method, "/") + `]}`)}
	}
	check := func(p wasmtest.Plugin, itself string) {
		t.Helper()
		h := hosts[itself]
		for method := range hosts {
			h.NextRequest([][2]string{{":method", method}, {":path", "/"}, {":authority", "a"}}, nil)
			action, err := p.Request()
			require.NoError(t, err)
			assert.Equal(t, method == itself, action == host.Continue, "%s under the policy for %s", method, itself)
			assert.Contains(t, h.Properties["palisade.authz"], `"policy":"`+itself+`/"`)
		}
	}

	vm, err := m.Start(t.Context(), hosts["GET"])
	require.NoError(t, err)
	get := vm.First()
	check(get, "GET")
	put, err := vm.AddPlugin(hosts["PUT"])
	require.NoError(t, err)
	_, err = vm.AddPlugin(&hosttest.Host{Config: []byte("{")})
	require.ErrorIs(t, err, wasmtest.ErrRefused)
	for range 3 {
		check(get, "GET")
		check(put, "PUT")
	}
	require.NoError(t, get.Delete())
	check(put, "PUT")
	post, err := vm.AddPlugin(hosts["POST"])
	require.NoError(t, err)
	check(put, "PUT")
	check(post, "POST")

	// What the host should not do: a request of a plugin that it has deleted. Nobody else's policy is applied.
	hosts["GET"].NextRequest([][2]string{{":method", "PUT"}, {":path", "/"}, {":authority", "a"}}, nil)
	action, err := get.Request()
	require.NoError(t, err)
	assert.Equal(t, host.Stop, action)
	require.NotNil(t, hosts["GET"].Sent)
	assert.EqualValues(t, 503, hosts["GET"].Sent.Status)

	// Deleted plugins are forgotten: a hundred updates take no more memory than a few.
	policies := []string{policy("LATE", "/")}
	for i := range 200 {
		policies = append(policies, policy("LATE", "/path/number/"+strconv.Itoa(i)))
	}
	hosts["LATE"].Config = []byte(`{"policies": [` + strings.Join(policies, ",") + `]}`)
	update := func(n int) {
		for range n {
			p, err := vm.AddPlugin(hosts["LATE"])
			require.NoError(t, err)
			check(p, "LATE")
			require.NoError(t, p.Delete())
		}
	}
	update(20)
	before := vm.Memory()
	update(100)
	assert.Equal(t, before, vm.Memory())
}
