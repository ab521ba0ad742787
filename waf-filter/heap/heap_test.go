package heap_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// What is alive at a time is a few megabytes.
const most = 40 << 20

// TestWasmHeap has a module make and drop objects of all kinds, which check themselves, for some 50 times the memory that it may have.
func TestWasmHeap(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	m, err := wasmtest.Load(ctx, wasmtest.Artifact(t, "test/heap-stress"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close(context.Background())) })
	for seed := range 4 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := &hosttest.Host{Config: fmt.Appendf(nil, "%d 10000", seed)}
			vm, err := m.Start(ctx, h)
			require.NoError(t, err, h.Logs)
			require.NoError(t, vm.Close())
			require.NotEmpty(t, h.Logs)
			var allocated, memory uint64
			_, err = fmt.Sscan(h.Logs[len(h.Logs)-1], &allocated, &memory)
			require.NoError(t, err, h.Logs)
			assert.Greater(t, allocated, uint64(10*most), "there was not enough to collect")
			assert.Less(t, memory, uint64(most))
		})
	}
}
