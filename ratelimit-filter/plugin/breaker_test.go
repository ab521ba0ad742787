package plugin_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

// A cluster that cannot even be called, as one without a healthy host, is left alone, too: not each request tries.
func TestServiceThatCannotBeCalledIsLeftAlone(t *testing.T) {
	now := time.Unix(1e9, 0)
	h := &hosttest.Host{Clock: func() time.Time { return now }, Config: []byte(`{"global": {"cluster": "none"},
		"limits": [{"name": "a", "scope": "global", "rate": {"requests": 1000, "per": "1m"}}]}`)}
	handler := start(t, h)
	tries := func() (n int) {
		for range 10 {
			require.Equal(t, host.Continue, asked{}.send(t, handler, h))
			if slices.Contains(h.Calls, "HTTPCall") {
				n++
			}
		}
		return n
	}
	assert.Equal(t, 3, tries())
	assert.Zero(t, tries())
	for range 4 {
		now = now.Add(time.Minute)
		assert.Equal(t, 1, tries(), "one, to find out whether it is back")
	}
}
