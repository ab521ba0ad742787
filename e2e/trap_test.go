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
			require.Eventually(t, func() bool {
				status, _ := get(t, nil, url, nil)
				return status == http.StatusOK
			}, 10*time.Second, 50*time.Millisecond, "the filter does not come back")
		}
	})

	t.Run("closed", func(t *testing.T) {
		url, upstream := start(t, "FAIL_CLOSED")
		status, _ := get(t, nil, url, trigger)
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Never(t, func() bool {
			status, _ := get(t, nil, url, nil)
			return status == http.StatusOK
		}, 2*time.Second, 200*time.Millisecond)
		assert.Zero(t, upstream.Requests())
	})
}
