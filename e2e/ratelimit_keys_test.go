package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

const (
	// distinctEnv makes it a million keys, and the default of maxKeys.
	distinctEnv = "PALISADE_MILLION_KEYS"

	distinctConnections = 16
	distinctBatch       = 32 // requests of which the last is the hot key's
	hotAdmitted         = 1000
)

// TestDistinctKeys has clients make up a key for each request, while a hot key
// is in use: Envoy's memory no longer grows when all buckets are in use, and the
// hot key gets exactly what it may, from all workers together.
func TestDistinctKeys(t *testing.T) {
	requests, maxKeys := 102_400, 4096
	if os.Getenv(distinctEnv) != "" {
		requests, maxKeys = 1_024_000, 65536
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	config := fmt.Sprintf(`{"maxKeys": %d, "headers": "none", "response": {"format": "none"}, "audit": {"log": "off"},
		"limits": [{"name": "each", "key": ["header:x-user"], "rate": {"requests": %d, "per": "8000h"}}]}`, maxKeys, hotAdmitted)
	answer := map[string]any{"status": 200}
	e := startEnvoyWith(t, envoy.Options{Concurrency: limitWorkers, Bootstrap: render(t, envoy.Bootstrap{
		Listeners: []envoy.Listener{{
			Name: "limited", Filters: []envoy.Wasm{{Name: "ratelimit-filter", Config: config}},
			Manager: map[string]any{
				// A line for each request would be most of the work.
				"access_log": []any{},
				"route_config": map[string]any{"virtual_hosts": []any{map[string]any{
					"name": "all", "domains": []string{"*"},
					"routes": []any{map[string]any{"match": map[string]any{"prefix": "/"}, "direct_response": answer}},
				}}},
			},
		}},
	})})

	d := distinctKeys{address: e.Listener("limited")}
	send := func(from, to int) envoy.Memory {
		t.Helper()
		d.send(from, to)
		require.NoError(t, d.err)
		memory, err := e.Memory(ctx)
		require.NoError(t, err)
		return memory
	}
	// With four times as many keys as it is meant for, the table is full.
	filled := 4 * maxKeys
	first := send(0, filled)
	last := send(filled, requests)
	t.Logf("after %d requests %.1f MB resident, %.1f MB of it allocated; after %d %.1f MB, %.1f MB", filled,
		megabytes(first.Resident), megabytes(first.Allocated), requests, megabytes(last.Resident), megabytes(last.Allocated))

	hot := requests / distinctBatch
	assert.Equal(t, hotAdmitted, d.hotAdmitted)
	assert.Equal(t, hot-hotAdmitted, d.hotRefused)
	assert.Equal(t, requests-hot, d.others, "whoever comes first is admitted")

	keys, err := e.Stat(ctx, "wasmcustom.palisade.ratelimit_keys")
	require.NoError(t, err)
	evictions, err := e.Stat(ctx, "wasmcustom.palisade.ratelimit_evictions")
	require.NoError(t, err)
	assert.Equal(t, requests-hot+1, keys+evictions, "each key has its bucket, or it was forgotten and counted")
	assert.LessOrEqual(t, keys, 2*maxKeys)
	// Half of what the keys that came in between would take at least, at 24 bytes each.
	assert.Less(t, last.Allocated-first.Allocated, (requests-filled)*24/2)
	assert.Less(t, last.Resident-first.Resident, 16<<20)
}

func megabytes(bytes int) float64 { return float64(bytes) / (1 << 20) }

// distinctKeys are clients that make up keys.
type distinctKeys struct {
	address string

	mu                              sync.Mutex
	hotAdmitted, hotRefused, others int
	err                             error
}

// send sends requests with these numbers. from and to are multiples of distinctBatch.
func (d *distinctKeys) send(from, to int) {
	var wait sync.WaitGroup
	for i := range distinctConnections {
		wait.Go(func() {
			conn, err := net.Dial("tcp", d.address)
			if err == nil {
				defer conn.Close()
				err = d.converse(conn, from+i*distinctBatch, to)
			}
			if err != nil {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.err = err
			}
		})
	}
	wait.Wait()
}

// converse sends each of distinctConnections' batches.
func (d *distinctKeys) converse(conn net.Conn, from, to int) error {
	if err := conn.SetDeadline(time.Now().Add(4 * time.Minute)); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	for ; from < to; from += distinctConnections * distinctBatch {
		var statuses [distinctBatch]int
		for i := range statuses {
			key := fmt.Sprintf("user-%d", from+i)
			if i == distinctBatch-1 {
				key = "hot"
			}
			if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nhost: a\r\nx-user: %s\r\n\r\n", key); err != nil {
				return err
			}
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				return err
			}
			response.Body.Close()
			if response.ContentLength != 0 {
				return fmt.Errorf("a body of %d bytes, want none", response.ContentLength)
			}
			statuses[i] = response.StatusCode
		}
		if err := d.count(statuses); err != nil {
			return err
		}
	}
	return nil
}

func (d *distinctKeys) count(statuses [distinctBatch]int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, status := range statuses {
		hot := i == distinctBatch-1
		switch {
		case hot && status == http.StatusOK:
			d.hotAdmitted++
		case hot && status == http.StatusTooManyRequests:
			d.hotRefused++
		case !hot && status == http.StatusOK:
			d.others++
		default:
			return fmt.Errorf("status %d; hot key: %t", status, hot)
		}
	}
	return nil
}
