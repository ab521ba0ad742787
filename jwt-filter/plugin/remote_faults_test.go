package plugin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/jwt-filter/plugin"
)

// A host that fails at any call while keys are fetched, or from some call on, lets nobody pass whom it would not let pass
// otherwise, and nobody with a header that claims would be handed on by.
func TestRemoteFaultsNeverWidenAccess(t *testing.T) {
	calls := faultyProcess(t, func(int) bool { return false })
	require.Greater(t, calls, 100)
	for n := range calls {
		faultyProcess(t, func(i int) bool { return i == n })
		faultyProcess(t, func(i int) bool { return i >= n })
	}
}

// faultyProcess runs two workers from their start through a fetch, a rotation and a refresh, of which the first has a host
// that fails. It returns how many calls that one made.
func faultyProcess(t *testing.T, fault func(n int) bool) int {
	t.Helper()
	config := remote(object{"timeout": "1s", "jwksCacheDuration": "20s", "outputClaimToHeaders": []object{{"header": "x-user", "claim": "absent"}}})
	p := &process{t: t, now: time.Now()}
	calls := 0
	w := p.prepare(config)
	w.host.Fault = func(int, string) bool {
		calls++
		return fault(calls - 1)
	}
	handler, err := plugin.Filter.Configure(w.host)
	if err != nil {
		return calls // it does not start
	}
	w.use(handler)
	p.add(config)

	var bad, good []host.StreamID
	send := func(list *[]host.StreamID, k string) {
		w.send(k)
		*list = append(*list, w.tag)
	}
	step := func(kid string) {
		send(&bad, forgery(t))
		send(&bad, token(t, "made up"))
		send(&bad, "")
		send(&good, token(t, kid))
	}
	step("")
	for i, set := range []string{keySet(t, ""), keySet(t, "next"), "<html>"} {
		p.pass(500 * time.Millisecond)
		p.answerAny("200", set)
		p.pass(500 * time.Millisecond)
		step([]string{"", "next", "next"}[i])
		p.pass(12 * time.Second)
	}
	for _, id := range bad {
		assert.NotContains(t, []string{allowed, both}, w.later(id), "a request passes that must not")
	}
	for _, id := range good {
		if w.later(id) != allowed {
			continue
		}
		for _, h := range w.host.Headers {
			assert.NotEqual(t, "x-user", h[0], "a forged header passes")
			assert.NotEqual(t, "authorization", h[0], "the token passes")
		}
	}
	return calls
}
