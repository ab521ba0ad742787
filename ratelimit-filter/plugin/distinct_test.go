package plugin_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
	"github.com/palisade-mesh/palisade/ratelimit-filter/plugin"
)

// What a table of the default size may take. Its slots are a power of two of which each is meant for eight buckets.
const (
	distinctMaxKeys = 65536
	distinctSlots   = distinctMaxKeys / 8
	bucketSize      = 24 // bytes
	slotSize        = 16 * bucketSize
	slotPrefix      = "palisade.ratelimit\x00slot\x00"
)

// TestDistinctKeys has far more keys than there is room for, each of which comes once, as of somebody who makes them up, and
// one that comes again and again, at two workers in turn. Memory is bounded, whoever comes first is admitted, and the hot key
// never gets more than its rate: a bucket that is nearer to full than all others in its slot is the one that goes.
func TestDistinctKeys(t *testing.T) {
	million := 1_000_000
	if testing.Short() {
		million /= 5
	}
	for name, c := range map[string]struct {
		n    int
		per  time.Duration // in which a hundred flow back
		step time.Duration // between two requests
	}{
		"nothing flows back": {million, 8000 * time.Hour, time.Microsecond},
		// At a time 15,000 are not full.
		"buckets are full again soon": {200_000, time.Minute, 40 * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDistinct(t, c.per)
			for i := range c.n {
				d.now += c.step
				require.Equal(t, host.Continue, d.send(i, "key-"+strconv.Itoa(i)), "key %d", i)
				if i%hotEvery == 0 {
					require.Equal(t, d.hot.admits(d.now), d.send(i/hotEvery, "hot") == host.Continue, "at %d", i)
				}
			}
			assert.Greater(t, d.hot.refused, d.hot.admitted, "it was used more than its rate admits")

			buckets := d.inShared(t)
			keys, evictions := d.metric("palisade.ratelimit_keys"), d.metric("palisade.ratelimit_evictions")
			t.Logf("%d keys, %d evictions; of the hot key %d admitted, %d refused", keys, evictions, d.hot.admitted, d.hot.refused)
			assert.Equal(t, buckets, keys, "the gauge is what is there")
			assert.LessOrEqual(t, keys, distinctSlots*16)
			if c.per > time.Hour {
				assert.Equal(t, c.n+1, keys+evictions, "whatever is not there was forgotten, and counted")
				assert.Greater(t, keys, distinctMaxKeys)
			} else {
				assert.Zero(t, evictions, "there was always room in a slot")
				assert.Less(t, keys, distinctMaxKeys, "the room of buckets that are full again is used before more")
			}
			assert.Zero(t, d.metric("palisade.ratelimit_lost_swaps"), "the workers took turns")
		})
	}
}

const (
	hotEvery = 50 // requests
	hotBurst = 100
)

// distinct are two workers with the same shared data.
type distinct struct {
	workers  [2]*hosttest.Host
	handlers [2]host.Handler
	now      time.Duration
	hot      reference
}

func newDistinct(t *testing.T, per time.Duration) *distinct {
	d := &distinct{hot: reference{interval: per / hotBurst, missing: 0}}
	config := fmt.Sprintf(`{"maxKeys": %d, "headers": "none", "audit": {"log": "off"},
		"limits": [{"name": "a", "key": ["header:x"], "rate": {"requests": %d, "per": %q}}]}`, distinctMaxKeys, hotBurst, per)
	begin := time.Unix(1e9, 0)
	for i := range d.workers {
		d.workers[i] = &hosttest.Host{Config: []byte(config), Clock: func() time.Time { return begin.Add(d.now) }}
	}
	d.workers[0].ShareWith(d.workers[1])
	for i, h := range d.workers {
		d.handlers[i] = start(t, h)
	}
	return d
}

func (d *distinct) send(i int, key string) host.Action {
	h := d.workers[i%2]
	before := h.Stream()
	h.NextRequest([][2]string{{":method", "GET"}, {":path", "/"}, {":authority", "a"}, {"x", key}}, nil)
	h.EndRequest(before)
	return d.handlers[i%2].RequestHeaders(h)
}

// inShared is how many buckets are in the shared data, which has nothing else but the secret.
func (d *distinct) inShared(t *testing.T) (buckets int) {
	slots := 0
	for key, value := range d.workers[0].Shared {
		if !strings.HasPrefix(key, slotPrefix) {
			continue
		}
		slots++
		buckets += len(value) / bucketSize
		require.Zero(t, len(value)%bucketSize)
		require.LessOrEqual(t, len(value), slotSize)
	}
	assert.LessOrEqual(t, slots, distinctSlots)
	assert.Len(t, d.workers[0].Shared, slots+1)
	return buckets
}

func (d *distinct) metric(name string) int {
	return int(d.workers[0].Metrics[name] + d.workers[1].Metrics[name])
}

// reference is a bucket by the book: so many tokens, of which one flows back in each interval.
type reference struct {
	interval          time.Duration
	missing           time.Duration // until it is full
	at                time.Duration
	admitted, refused int
}

func (r *reference) admits(now time.Duration) bool {
	r.missing = max(r.missing-(now-r.at), 0)
	r.at = now
	if r.missing+r.interval > hotBurst*r.interval {
		r.refused++
		return false
	}
	r.missing += r.interval
	r.admitted++
	return true
}

// vmLimit is what a VM may take at most, in bytes.
const vmLimit = 16 << 20

// TestWasmMemory sends many keys through one VM. The buckets are not in it but in the host's shared data, and its memory
// never shrinks, so its size is the most that it needed.
func TestWasmMemory(t *testing.T) {
	const n = 20_000
	m, err := wasmtest.Load(t.Context(), wasmtest.Artifact(t, plugin.Filter.Name))
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(t.Context())) }()
	h := &hosttest.Host{Config: []byte(`{"audit": {"log": "off"}, "limits": [
		{"name": "a", "key": ["claim:sub", "path"], "rate": {"requests": 9, "per": "8000h"}},
		{"name": "b", "key": ["header:x"], "rate": {"requests": 9, "per": "8000h"}}]}`)}
	vm, err := m.Start(t.Context(), h)
	require.NoError(t, err)
	var half uint32
	for i := range n {
		key, before := strings.Repeat("k", i%500)+strconv.Itoa(i), h.Stream()
		h.NextRequest([][2]string{{":method", "GET"}, {":path", "/" + key}, {":authority", "a"}, {"x", key}},
			properties{"palisade.jwt": `{"corp":{"iss":"i","sub":"` + key + `"}}`})
		h.EndRequest(before)
		action, err := vm.Request()
		require.NoError(t, err)
		require.Equal(t, host.Continue, action, "key %d", i)
		if i == n/2 {
			half = vm.Memory()
		}
	}
	t.Logf("%.1f MB, after half of the keys %.1f MB", float64(vm.Memory())/(1<<20), float64(half)/(1<<20))
	assert.Equal(t, half, vm.Memory(), "it does not grow with the keys")
	assert.LessOrEqual(t, vm.Memory(), uint32(vmLimit))
	assert.Equal(t, int64(2*n), h.Metrics["palisade.ratelimit_keys"]+h.Metrics["palisade.ratelimit_evictions"])
}
