package rls_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/ratelimit-filter/rls"
)

const ms = int64(time.Millisecond)

// opened is a breaker that opens at a time, and a call that was made before.
func opened(t *testing.T, now int64) (b rls.Breaker) {
	t.Helper()
	for range 3 {
		require.True(t, b.Allows(now))
		require.False(t, b.Asked())
		b.Failed(now, 0.5, false)
	}
	require.False(t, b.Allows(now))
	return b
}

// pause is for how many milliseconds it is open.
func pause(b rls.Breaker, now int64) (n int64) {
	for n = 0; !b.Allows(now + n*ms); n++ {
	}
	return n
}

func TestBreakerOpensAfterFailuresInARow(t *testing.T) {
	var b rls.Breaker
	for range 10 {
		for range 2 {
			b.Asked()
			b.Failed(0, 0.5, false)
			require.True(t, b.Allows(0))
		}
		b.Answered()
	}
	assert.EqualValues(t, 250, pause(opened(t, 0), 0))
}

// One call at a time finds out whether the service is back, after pauses that grow.
func TestBreakerProbes(t *testing.T) {
	now := int64(time.Hour)
	b := opened(t, now)
	for _, want := range []int64{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000} {
		require.Equal(t, want, pause(b, now))
		now += want * ms
		require.True(t, b.Asked())
		require.False(t, b.Allows(now+int64(time.Hour)), "one at a time")
		b.Failed(now, 0.5, true)
	}
	now += int64(time.Minute)
	require.True(t, b.Asked())
	b.Answered()
	require.True(t, b.Allows(now))
	require.False(t, b.Asked())
	require.True(t, b.Allows(now), "and it is as if nothing had been")
	assert.EqualValues(t, 250, pause(opened(t, now), now))
}

// A call that cannot even be made is a probe that failed: otherwise each request would try.
func TestBreakerCountsWhatCannotBeCalled(t *testing.T) {
	b := opened(t, 0)
	now := 250 * ms
	require.True(t, b.Allows(now))
	probe := b.Asked()
	b.Failed(now, 0.5, probe)
	assert.EqualValues(t, 500, pause(b, now))
}

// Calls that were under way when the breaker opened do not lengthen the pause, nor are they the probe.
func TestBreakerIgnoresFailuresFromBefore(t *testing.T) {
	b := opened(t, 0)
	for range 10 {
		b.Failed(100*ms, 0.5, false)
	}
	require.EqualValues(t, 250, pause(b, 0))
	now := 250 * ms
	require.True(t, b.Asked())
	b.Failed(now, 0.5, false)
	require.False(t, b.Allows(now+int64(time.Hour)), "the probe is still under way")
	b.Failed(now, 0.5, true)
	require.EqualValues(t, 500, pause(b, now))
	b.Answered() // one from before: the service is there
	assert.True(t, b.Allows(now))
}

func TestBreakerJitter(t *testing.T) {
	for _, c := range []struct {
		jitter float64
		want   int64
	}{{0, 188}, {0.5, 250}, {255. / 256, 313}} {
		var b rls.Breaker
		for range 3 {
			b.Failed(0, c.jitter, false)
		}
		assert.Equal(t, c.want, pause(b, 0))
	}
}
