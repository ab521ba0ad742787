package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/authz-filter/plugin"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

// What cannot be read is refused, but for dry-run, which never rejects and says what it would have done.
func TestUnreadableRequest(t *testing.T) {
	for mode, want := range map[string]host.Action{"enforce": host.Stop, "dry-run": host.Continue} {
		t.Run(mode, func(t *testing.T) {
			h := &hosttest.Host{Config: []byte(`{"mode": "` + mode + `"}`)}
			handler, err := plugin.Filter.Configure(h)
			require.NoError(t, err)
			h.Fault = func(_ int, call string) bool { return call == "RequestHeaders" }
			assert.Equal(t, want, handler.RequestHeaders(h))
			assert.Equal(t, want == host.Stop, h.Sent != nil)
			assert.Contains(t, h.Properties["palisade.authz"], `"effect":"deny"`)
			assert.Contains(t, h.Properties["palisade.authz"], `"status":503`)
		})
	}
}
