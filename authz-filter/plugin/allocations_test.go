package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// maxAllocations is how many objects the module may allocate for an allowed request of a worker that is warm.
const maxAllocations = 0

// Garbage is time in every request, and a pause in some.
func TestWasmAllocations(t *testing.T) {
	artifact := wasmtest.Artifact(t, plugin.Filter.Name)
	for _, c := range casetest.Load(t, commonFile).Cases {
		if c.Name != commonCase {
			continue
		}
		m, err := wasmtest.Load(t.Context(), artifact)
		require.NoError(t, err)
		defer func() { require.NoError(t, m.Close(t.Context())) }()
		headers, properties := c.HeaderList(t), c.Properties(t)
		h := &hosttest.Host{Config: c.ConfigJSON(t)}
		vm, err := m.Start(t.Context(), h)
		require.NoError(t, err)
		const warm, counted = 5, 10
		var before, after uint64
		for i := range warm + counted {
			if i == warm {
				before, err = vm.Allocations()
				require.NoError(t, err)
			}
			h.NextRequest(headers, properties)
			action, err := vm.Request()
			require.NoError(t, err)
			require.Equal(t, host.Continue, action)
		}
		after, err = vm.Allocations()
		require.NoError(t, err)
		t.Logf("%.1f allocations per request", float64(after-before)/counted)
		assert.LessOrEqual(t, after-before, uint64(maxAllocations*counted))
		return
	}
	require.Fail(t, "no such case")
}
