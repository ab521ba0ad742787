package casetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// warmUp is how many equal requests a worker has had before the calls of one are counted: metrics are then
// defined, and tokens known.
const warmUp = 3

// NativeHostCalls are the calls to the host that a warm worker makes for an allowed request.
func NativeHostCalls(t *testing.T, f host.Filter, file, name string) []string {
	t.Helper()
	h, next := repeated(t, file, name)
	handler, err := f.Configure(h)
	require.NoError(t, err)
	for range warmUp {
		next()
		require.Equal(t, host.Continue, handler.RequestHeaders(h))
	}
	return h.Calls
}

// WasmHostCalls are the same of the compiled filter.
func WasmHostCalls(t *testing.T, artifact, file, name string) []string {
	t.Helper()
	h, next := repeated(t, file, name)
	m, err := wasmtest.Load(t.Context(), artifact)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	vm, err := m.Start(t.Context(), h)
	require.NoError(t, err)
	for range warmUp {
		next()
		action, err := vm.Request()
		require.NoError(t, err)
		require.Equal(t, host.Continue, action)
	}
	return h.Calls
}

// repeated gives a host for a case, and what puts the case's request in once more: with the same token.
func repeated(t *testing.T, file, name string) (*hosttest.Host, func()) {
	t.Helper()
	for _, c := range Load(t, file).Cases {
		if c.Name == name {
			h := c.host(t)
			headers, properties := h.Headers, h.Properties
			return h, func() { h.NextRequest(headers, properties) }
		}
	}
	require.Fail(t, "no such case", "%s: %s", file, name)
	return nil, nil
}
