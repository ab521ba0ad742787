package openloop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const ms = time.Millisecond

// latencies are of requests that are due every millisecond.
func latencies(milliseconds ...int) *Result {
	r := newResult(1000, len(milliseconds))
	for i, latency := range milliseconds {
		r.Latencies[i] = time.Duration(latency) * ms
	}
	return r
}

func TestPauses(t *testing.T) {
	for name, c := range map[string]struct {
		milliseconds []int
		stalls       []Pause
		want         []Pause
	}{
		"none":                 {milliseconds: []int{1, 5, 1}},
		"a request":            {milliseconds: []int{1, 6, 1}, want: []Pause{{From: 1 * ms, To: 7 * ms, Longest: 6 * ms}}},
		"those who waited too": {milliseconds: []int{9, 8, 7, 6, 5, 4}, want: []Pause{{From: 0, To: 9 * ms, Longest: 9 * ms}}},
		"what queued up":       {milliseconds: []int{9, 10, 11, 1}, want: []Pause{{From: 0, To: 13 * ms, Longest: 11 * ms}}},
		"two": {milliseconds: []int{6, 1, 1, 1, 1, 1, 1, 7}, want: []Pause{
			{From: 0, To: 6 * ms, Longest: 6 * ms}, {From: 7 * ms, To: 14 * ms, Longest: 7 * ms}}},
		"its own": {milliseconds: []int{6, 1, 1, 1, 1, 1, 1, 12}, stalls: []Pause{{From: 1 * ms, To: 1500 * time.Microsecond}, {From: 6 * ms, To: 16 * ms}},
			want: []Pause{{From: 0, To: 6 * ms, Longest: 6 * ms}, {From: 7 * ms, To: 19 * ms, Longest: 12 * ms, Own: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := latencies(c.milliseconds...)
			r.Stalls = c.stalls
			assert.Equal(t, c.want, r.Pauses(5*ms))
		})
	}
}

func TestEnd(t *testing.T) {
	r := latencies(1, 0, 2, 0)
	r.end(10 * ms)
	assert.Equal(t, []time.Duration{1 * ms, 9 * ms, 2 * ms, 7 * ms}, r.Latencies)
	assert.Equal(t, 10*ms, r.Took)
	assert.Equal(t, 2, r.Unanswered)
	assert.Equal(t, 2, r.Answered())
}

func TestQuantile(t *testing.T) {
	r := latencies(4, 1, 3, 2)
	sorted := r.Sorted()
	assert.Equal(t, []time.Duration{1 * ms, 2 * ms, 3 * ms, 4 * ms}, sorted)
	assert.Equal(t, 4*ms, r.Latencies[0], "requests keep their order")
	for share, want := range map[float64]time.Duration{0: 1 * ms, 0.5: 3 * ms, 0.99: 4 * ms, 1: 4 * ms} {
		assert.Equal(t, want, Quantile(sorted, share), "%v", share)
	}
}
