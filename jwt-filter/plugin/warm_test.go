package plugin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

// A request must be decided as if it were a worker's first, whatever was there before.

func TestWarm(t *testing.T) { casetest.NativeWarm(t, plugin.Filter, cases) }

func TestWasmWarm(t *testing.T) {
	casetest.WasmWarm(t, plugin.Filter.Name, wasmtest.Artifact(t, plugin.Filter.Name), cases)
}

// The cache must keep a copy of a token: where the token was, there is another request when it is looked up again.

func TestCacheKeepsTokens(t *testing.T) {
	h := &hosttest.Host{}
	testCache(t, h, func() (func() (host.Action, error), error) {
		handler, err := plugin.Filter.Configure(h)
		return func() (host.Action, error) { return handler.RequestHeaders(h), nil }, err
	})
}

func TestWasmCacheKeepsTokens(t *testing.T) {
	m, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	h := &hosttest.Host{}
	testCache(t, h, func() (func() (host.Action, error), error) {
		vm, err := m.Start(t.Context(), h)
		if err != nil {
			return nil, err
		}
		return vm.Request, nil
	})
}

const commonFile, commonCase = "../testdata/verify.yaml", "ES256"

func testCache(t *testing.T, h *hosttest.Host, start func() (func() (host.Action, error), error)) {
	var c *casetest.Case
	for _, candidate := range casetest.Load(t, commonFile).Cases {
		if candidate.Name == commonCase {
			c = candidate
		}
	}
	require.NotNil(t, c)
	h.Config = c.ConfigJSON(t)
	request, err := start()
	require.NoError(t, err)

	plain := c.HeaderList(t)
	token := plain[len(plain)-1]
	require.Equal(t, "authorization", token[0])
	other := [2]string{token[0], "Bearer " + strings.Repeat("x", len(token[1])-len("Bearer "))}
	// The requests differ in where their tokens are, so that one is not found again because it is back in its place.
	moved := append([][2]string{{"x-first", "somewhere else"}}, plain...)
	for i, step := range []struct {
		headers [][2]string
		want    host.Action
	}{
		{plain, host.Continue},
		{append(slices.Clone(plain[:len(plain)-1]), other), host.Stop},
		{moved, host.Continue},
		{append(slices.Clone(moved[:len(moved)-1]), other), host.Stop},
		{plain, host.Continue},
	} {
		h.NextRequest(step.headers, c.Properties(t))
		action, err := request()
		require.NoError(t, err)
		assert.Equal(t, step.want, action, "request %d", i)
	}
	assert.EqualValues(t, 2, h.Metrics["palisade.jwt_cache.result.hit"])
	assert.EqualValues(t, 3, h.Metrics["palisade.jwt_cache.result.miss"])
}
