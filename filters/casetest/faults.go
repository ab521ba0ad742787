package casetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

// Faults runs every case again and again, each time with another call to the host failing, at start or in
// the request. No fault may let a request pass that does not pass without it, or let it pass with a header
// that must not reach the upstream.
func Faults(t *testing.T, f host.Filter, pattern string) {
	for _, file := range LoadFor(t, f.Name, pattern) {
		for _, c := range file.Cases {
			t.Run(c.Name, func(t *testing.T) {
				calls, _, _ := c.withFault(t, f, func(int, string) bool { return false })
				require.NotEmpty(t, calls)
				for n := range calls {
					c.checkFault(t, f, calls[n], func(i int, _ string) bool { return i == n })
				}
				for _, from := range []int{0, 1, 2, 3} {
					c.checkFault(t, f, "all calls", func(i int, _ string) bool { return i >= from })
				}
			})
		}
	}
}

func (c *Case) checkFault(t *testing.T, f host.Filter, call string, fault func(int, string) bool) {
	t.Helper()
	_, h, passed := c.withFault(t, f, fault)
	if !passed {
		return
	}
	assert.True(t, c.Expect.Passes || c.Expect.Effect == decision.Allow, "with %s failing, a denied request passes", call)
	upstream := map[string]string{}
	for _, p := range h.Headers {
		upstream[p[0]] = p[1]
	}
	for name, value := range c.Expect.Upstream {
		if value == "" {
			assert.NotContains(t, upstream, name, "with %s failing, a request passes with a header that must be gone", call)
		}
	}
}

// withFault runs the case from the filter's start, and gives the calls that were made.
func (c *Case) withFault(t *testing.T, f host.Filter, fault func(int, string) bool) (calls []string, h *hosttest.Host, passed bool) {
	t.Helper()
	h = c.host(t)
	h.Fault = fault
	handler, err := f.Configure(h)
	if err != nil {
		return h.Calls, h, false // the plugin does not start, and Envoy fails closed
	}
	// Only the request that is looked at meets faults: who was refused before it was not counted.
	calls = h.Calls
	h.Fault = nil
	if err := c.before(h, func() (host.Action, error) { return handler.RequestHeaders(h), nil }); err != nil {
		return calls, h, false
	}
	h.Calls, h.Fault = calls, fault
	action := respond(handler, h, handler.RequestHeaders(h))
	return h.Calls, h, action == host.Continue && h.Sent == nil
}
