package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

const (
	wafUpdates = 36
	// wafSettled is after how many updates the memory is to grow by a sixteenth at most: less than a megabyte for each update that
	// follows. What an allocator keeps has become as much as it becomes only after some 15 (of 80 updates the last 60 took 5 MB).
	wafSettled = 18
)

// Rule sets can be replaced under load, without a request that fails or passes undecided, and the old ones' memory is used again.
func TestWAFUpdate(t *testing.T) {
	config := func(i int) string {
		return fmt.Sprintf(`{"profile": "crs-pl%d", "audit": {"log": "off"}, "exclusions": [{"id": 942101, "path": "/update-%d"}]}`, 1+i%2, i)
	}
	filter := envoy.Wasm{Name: "waf-filter", DiscoveryFile: filepath.Join(t.TempDir(), "waf.json"), Config: config(0)}
	require.NoError(t, filter.WriteDiscovery())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	e := startEnvoyWith(t, envoy.Options{Bootstrap: render(t, envoy.Bootstrap{
		Clusters:  []envoy.Cluster{{Name: "upstream", Host: "127.0.0.1", Port: serve(t, http.HandlerFunc(leaky), false)}},
		Listeners: []envoy.Listener{{Name: "inbound", Cluster: "upstream", Filters: []envoy.Wasm{filter}}},
	})})

	stop, stopped := make(chan struct{}), make(chan struct{})
	requests := 0
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for path, want := range map[string]int{"/?q=shoes": http.StatusOK, "/?q=1'+OR+1=1--": http.StatusForbidden} {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Listener("inbound")+path, http.NoBody)
				if !assert.NoError(t, err) {
					return
				}
				request.Header.Set("user-agent", "Mozilla/5.0")
				request.Header.Set("accept", "*/*")
				response, err := http.DefaultClient.Do(request)
				if !assert.NoError(t, err) {
					return
				}
				response.Body.Close()
				if !assert.Equal(t, want, response.StatusCode, path) {
					return
				}
				requests++
			}
		}
	}()
	var settled uint64
	for i := 1; i <= wafUpdates; i++ {
		filter.Config = config(i)
		require.NoError(t, filter.WriteDiscovery())
		require.Eventually(t, func() bool {
			n, err := e.Stat(ctx, "extension_config_discovery.http_filter.palisade.waf-filter.config_reload")
			return err == nil && n > i
		}, time.Minute, 10*time.Millisecond)
		memory, err := e.Memory(ctx)
		require.NoError(t, err)
		t.Logf("after update %d: %d MB", i, memory.Resident>>20)
		if i == wafSettled {
			settled = uint64(memory.Resident)
		}
		if i > wafSettled {
			assert.Less(t, uint64(memory.Resident), settled+settled/16, "after update %d", i)
		}
	}
	close(stop)
	<-stopped
	assert.Greater(t, requests, wafUpdates)
}
