package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

const (
	limitWorkers     = 4
	limitConnections = 32
	limitRequests    = 100 // on each connection
)

// TestRateLimitAcrossWorkers has many connections, which Envoy spreads over its
// workers, use up the same buckets: exactly what a bucket has is admitted. The
// rates are so slow that nothing flows back meanwhile.
func TestRateLimitAcrossWorkers(t *testing.T) {
	tests := []struct {
		name   string
		config string
		keys   int
		want   int // of each key
	}{
		{"one key", `{"limits": [{"name": "all", "rate": {"requests": 1000, "per": "8000h"}}]}`, 1, 1000},
		{"many keys", `{"limits": [{"name": "each", "key": ["header:x-user"], "rate": {"requests": 30, "per": "8000h"}}]}`, 64, 30},
		{"many keys in few slots", `{"maxKeys": 64, "limits": [{"name": "each", "key": ["header:x-user"], "rate": {"requests": 30, "per": "8000h"}}]}`, 32, 30},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			upstream := startUpstream(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			e := startEnvoyWith(t, envoy.Options{Concurrency: limitWorkers, Bootstrap: render(t, envoy.Bootstrap{
				Clusters: []envoy.Cluster{upstream.Cluster("upstream")},
				Listeners: []envoy.Listener{{
					Name: "limited", Cluster: "upstream", Filters: []envoy.Wasm{{Name: "ratelimit-filter", Config: test.config}},
				}},
			})})

			l := limited{address: e.Listener("limited"), keys: test.keys, admitted: map[int]int{}, statuses: map[int]int{}}
			var wait sync.WaitGroup
			for i := range limitConnections {
				wait.Go(func() { l.converse(i) })
			}
			wait.Wait()
			require.NoError(t, l.err)
			assert.Len(t, l.statuses, 2, "%v", l.statuses)
			for key := range test.keys {
				require.Equal(t, test.want, l.admitted[key], "key %d; statuses %v", key, l.statuses)
			}
			assert.Equal(t, test.keys*test.want, l.statuses[http.StatusOK])
			metrics, err := e.Prometheus(ctx)
			require.NoError(t, err)
			assert.NotContains(t, metrics, "ratelimit_evictions", "nothing was forgotten")
			assert.Contains(t, metrics, fmt.Sprintf("palisade_ratelimit_keys{} %d\n", test.keys))
		})
	}
}

// limited are clients of a listener with a limit.
type limited struct {
	address string
	keys    int

	mu       sync.Mutex
	admitted map[int]int // by key
	statuses map[int]int
	err      error
}

func (l *limited) converse(offset int) {
	conn, err := net.Dial("tcp", l.address)
	if err == nil {
		defer conn.Close()
		err = l.requests(conn, offset)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

func (l *limited) requests(conn net.Conn, offset int) error {
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	for i := range limitRequests {
		key := (offset + i) % l.keys
		if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nhost: a\r\nx-user: user-%d\r\n\r\n", key); err != nil {
			return err
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.statuses[response.StatusCode]++
		if response.StatusCode == http.StatusOK {
			l.admitted[key]++
		}
		l.mu.Unlock()
	}
	return nil
}

// Two filters in one chain, say one by address before jwt-filter and one by user after it, each speak for themselves.
func TestTwoRateLimitFiltersInOneChain(t *testing.T) {
	e := startEnvoy(t, render(t, envoy.Bootstrap{
		Clusters: []envoy.Cluster{startUpstream(t).Cluster("upstream")},
		Listeners: []envoy.Listener{{Name: "limited", Cluster: "upstream", Filters: []envoy.Wasm{
			{Name: "ratelimit-filter", Plugin: "first", Config: `{"limits": [{"name": "address", "rate": {"requests": 5, "per": "8000h"}}]}`},
			{Name: "ratelimit-filter", Plugin: "second", Config: `{"limits": [{"name": "user", "rate": {"requests": 2, "per": "8000h"}}]}`},
		}}},
	}))
	var s statuses
	for left := 1; left >= 0; left-- {
		response := s.ask(t, http.DefaultClient, e.Listener("limited"), "a")
		require.Equal(t, http.StatusOK, response.status)
		assert.ElementsMatch(t, []string{`"address";q=5;w=28800000`, `"user";q=2;w=28800000`}, response.header.Values("ratelimit-policy"))
		assert.Len(t, response.header.Values("ratelimit"), 2)
	}
	response := s.ask(t, http.DefaultClient, e.Listener("limited"), "a")
	require.Equal(t, http.StatusTooManyRequests, response.status)
	assert.ElementsMatch(t, []string{`"address";q=5;w=28800000`, `"user";q=2;w=28800000`}, response.header.Values("ratelimit-policy"))
}
