package plugin_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/casetest"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/waf-filter/bodytest"
	"github.com/palisade-mesh/palisade/waf-filter/plugin"
)

// wasmBodies are how many generated bodies the compiled filter gets.
const wasmBodies = 400

// What the compiled filter decides of a body, which it reads with TinyGo's library, other maps and C++ operators, is what the core
// decides natively, where it is fuzzed.
func TestWasmBodies(t *testing.T) {
	config := []byte(`{"profile": "crs-pl1"}`)
	module, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
	require.NoError(t, err)
	defer func() { require.NoError(t, module.Close(t.Context())) }()
	compiled, native := &hosttest.Host{Config: config}, &hosttest.Host{Config: config}
	vm, err := module.Start(t.Context(), compiled)
	require.NoError(t, err)
	defer func() { require.NoError(t, vm.Close()) }()
	handler, err := plugin.Filter.Configure(native)
	require.NoError(t, err)

	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same bodies each time
	count := map[decision.Effect]int{}
	for range wasmBodies {
		b := hostileOrNot(r)
		headers := [][2]string{{":method", "POST"}, {":path", "/"}, {":authority", "service.test"}, {":scheme", "https"},
			{"user-agent", "Mozilla/5.0"}, {"accept", "*/*"}, {"content-type", b.Type}}
		cut := r.IntN(len(b.Text) + 1)
		parts := []string{b.Text[:cut], b.Text[cut:]}
		compiled.NextRequest(headers, nil)
		native.NextRequest(headers, nil)
		got, err := vm.First().RequestWithBody(parts...)
		require.NoError(t, err, "%s %q", b.Type, b.Text)
		want := requestWithBody(handler, native, parts...)
		require.Equal(t, want, got, "%s %q", b.Type, b.Text)
		wantRecord, gotRecord := casetest.ParseRecord(t, native.Properties["palisade.waf"]), casetest.ParseRecord(t, compiled.Properties["palisade.waf"])
		assert.Equal(t, wantRecord.Effect, gotRecord.Effect)
		assert.Equal(t, wantRecord.Status, gotRecord.Status, "%s %q: %s, not %s", b.Type, b.Text, gotRecord.Reason, wantRecord.Reason)
		count[gotRecord.Effect]++
	}
	t.Log(count)
	assert.Greater(t, count[decision.Allow], wasmBodies/8)
	assert.Greater(t, count[decision.Deny], wasmBodies/8)
}

// hostileOrNot makes a hostile body, or one with harmless fields and perhaps an attack.
func hostileOrNot(r *rand.Rand) bodytest.Body {
	if r.IntN(3) > 0 {
		return bodytest.Hostile(r)
	}
	fields := []bodytest.Field{{Name: "a", Value: "b"}, {Name: "a", Value: "shoes & more"}, {Name: "c", Value: strings.Repeat("d", r.IntN(100))}}
	if r.IntN(2) == 0 {
		fields[r.IntN(3)].Value = bodytest.Attacks[r.IntN(len(bodytest.Attacks))]
	}
	return bodytest.Document(bodytest.Kinds[r.IntN(len(bodytest.Kinds))], fields)
}

// requestWithBody does natively what wasmtest's does.
func requestWithBody(handler host.Handler, h *hosttest.Host, parts ...string) host.Action {
	h.End = false
	action := handler.RequestHeaders(h)
	for i := 0; h.Sent == nil && i < len(parts); i++ {
		h.Body += parts[i]
		h.End = i == len(parts)-1
		if action = handler.(host.Inspector).RequestBody(h, uint32(len(h.Body))); action == host.Continue {
			h.Body = ""
		}
	}
	handler.(host.Follower).StreamEnd(h)
	return action
}

// The memory of a VM does not grow with what clients send. RE2 makes a state for each set of places where the expression may be:
// here each of the last 20 letters is an a or not.
func TestWasmExpressionMemory(t *testing.T) {
	h := &hosttest.Host{Config: []byte(`{"rules": ["SecRuleEngine On", "SecRequestBodyAccess On", "SecRequestBodyLimit 300000",
		"SecRule ARGS \"@rx a[ab]{20}c\" \"id:1,phase:2,deny\""]}`)}
	module, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
	require.NoError(t, err)
	defer func() { require.NoError(t, module.Close(t.Context())) }()
	vm, err := module.Start(t.Context(), h)
	require.NoError(t, err)
	defer func() { require.NoError(t, vm.Close()) }()
	r := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // the same bodies each time
	before := vm.Memory()
	for range 12 {
		letters := []byte(strings.Repeat("a", 200000))
		for i := range letters {
			letters[i] += byte(r.IntN(2))
		}
		h.NextRequest([][2]string{{":method", "POST"}, {":path", "/"}, {":authority", "a"}, {"content-type", "application/x-www-form-urlencoded"}}, nil)
		action, err := vm.First().RequestWithBody("q=" + string(letters))
		require.NoError(t, err)
		require.Equal(t, host.Continue, action)
	}
	t.Logf("%d kB, then %d kB", before>>10, vm.Memory()>>10)
	assert.Less(t, vm.Memory(), uint32(32<<20))
}
