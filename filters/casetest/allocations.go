package casetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// WasmAllocations are how many objects a compiled filter allocates for an allowed request of a worker that is warm. Each
// is garbage: time in every request, and a pause in some.
func WasmAllocations(t *testing.T, artifact, file, name string) float64 {
	t.Helper()
	h, next := repeated(t, file, name)
	m, err := wasmtest.Load(t.Context(), artifact)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	vm, err := m.Start(t.Context(), h)
	require.NoError(t, err)
	const counted = 10
	var before uint64
	for i := range warmUp + counted {
		if i == warmUp {
			before, err = vm.Allocations()
			require.NoError(t, err)
		}
		next()
		action, err := vm.Request()
		require.NoError(t, err)
		require.Equal(t, host.Continue, action)
	}
	after, err := vm.Allocations()
	require.NoError(t, err)
	return float64(after-before) / counted
}
