package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

// TestTrap crashes a filter's VM. Under the failure policy that the shipped
// configurations set, the request fails closed and the filter comes back.
func TestTrap(t *testing.T) {
	module := writeTrapModule(t)
	start := func(t *testing.T, policy string) (url string, upstream *envoy.Upstream) {
		upstream = startUpstream(t)
		e := startEnvoy(t, oneFilter(t, upstream, envoy.Wasm{Name: "trap", File: module, FailurePolicy: policy}))
		return "http://" + e.Listener("inbound") + "/", upstream
	}
	trigger := http.Header{}
	for i := range trapThreshold {
		trigger.Set(fmt.Sprintf("x-%d", i), "1")
	}

	t.Run("reload", func(t *testing.T) {
		url, upstream := start(t, "FAIL_RELOAD")
		status, _ := get(t, nil, url, nil)
		require.Equal(t, http.StatusOK, status)
		for range 2 {
			before := upstream.Requests()
			status, _ = get(t, nil, url, trigger)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.Equal(t, before, upstream.Requests(), "the request that crashed the filter must not pass")
			deadline := time.Now().Add(10 * time.Second)
			for status = 0; status != http.StatusOK; time.Sleep(50 * time.Millisecond) {
				require.True(t, time.Now().Before(deadline), "the filter does not come back")
				status, _ = get(t, nil, url, nil)
			}
		}
	})

	t.Run("closed", func(t *testing.T) {
		url, upstream := start(t, "FAIL_CLOSED")
		status, _ := get(t, nil, url, trigger)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			status, _ = get(t, nil, url, nil)
			assert.Equal(t, http.StatusServiceUnavailable, status)
		}
		assert.Zero(t, upstream.Requests())
	})
}
