package plugin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

const inFlightMetric = "palisade.ratelimit_in_flight.policy.db"

// end ends a stream.
func (w *worker) end(stream host.StreamID) {
	w.Helper()
	if w.host.Stream() != stream {
		require.True(w, w.host.Enter(stream))
	}
	w.handler.(host.Follower).StreamEnd(w.host)
}

func TestConcurrency(t *testing.T) {
	w := newWorker(t, `{"concurrency": [{"name": "db", "key": ["header:x"], "max": 2, "overrides": [{"key": ["big"], "max": 3}, {"key": ["free"], "unlimited": true}]}]}`)
	other := w.another()
	require.True(t, w.decided(header("a")))
	first := w.host.Stream()
	require.True(t, other.decided(header("a")))
	second := other.host.Stream()
	for _, at := range []*worker{w, other} {
		require.False(t, at.decided(header("a")))
		assert.EqualValues(t, 429, at.host.Sent.Status)
		assert.Equal(t, "1", at.host.Sent.Header("retry-after"))
		assert.Contains(t, at.host.Properties["palisade.ratelimit"], `"policy":"db"`)
		assert.Contains(t, at.host.Properties["palisade.ratelimit"], "all 2 requests that may be in flight are")
		at.end(at.host.Stream()) // of one that was refused
	}
	require.True(t, w.decided(header("b")), "another key")
	for range 3 {
		require.True(t, w.decided(header("big")))
	}
	require.False(t, other.decided(header("big")))
	for range 9 {
		require.True(t, other.decided(header("free")))
	}
	w.end(first)
	require.True(t, other.decided(header("a")))
	require.False(t, w.decided(header("a")))
	other.end(second)
	other.end(second) // which is over already
	require.True(t, w.decided(header("a")))
	require.False(t, w.decided(header("a")))
	assert.EqualValues(t, 5, w.host.Metrics[inFlightMetric])
	assert.EqualValues(t, 1, other.host.Metrics[inFlightMetric])
}

// The response does not end a request, and places that the host could not give back are given back later.
func TestPlacesReturn(t *testing.T) {
	w := newWorker(t, `{"concurrency": [{"name": "db", "max": 1}]}`)
	assert.Equal(t, 2*time.Second, w.host.Ticking)
	require.True(t, w.decided(asked{}))
	stream := w.host.Stream()
	w.handler.(host.Follower).ResponseHeaders(w.host)
	require.False(t, w.decided(asked{}), "a download goes on")
	w.host.Fault = func(_ int, call string) bool { return call == "SetSharedData" }
	w.end(stream)
	w.host.Fault = nil
	require.False(t, w.decided(asked{}))
	w.handler.(host.Background).Tick(w.host)
	require.True(t, w.decided(asked{}))
	w.end(w.host.Stream())
	assert.Zero(t, w.host.Metrics[inFlightMetric])
}

// A request that another limit refuses holds nothing, and one that finds no place is not charged.
func TestConcurrencyAndRateAllOrNone(t *testing.T) {
	w := newWorker(t, `{"limits": [{"name": "r", "rate": {"requests": 2, "per": "1h"}}],
		"concurrency": [{"name": "wide", "max": 9}, {"name": "db", "max": 1}]}`)
	require.True(t, w.decided(asked{}))
	stream := w.host.Stream()
	for range 20 {
		require.False(t, w.decided(asked{}))
		assert.Contains(t, w.host.Properties["palisade.ratelimit"], `"policy":"db"`)
	}
	w.end(stream)
	require.True(t, w.decided(asked{}))
	stream = w.host.Stream()
	for range 20 {
		require.False(t, w.decided(asked{}))
		assert.Contains(t, w.host.Properties["palisade.ratelimit"], `"policy":"r"`)
	}
	w.end(stream)
	*w.now = w.now.Add(time.Hour)
	require.True(t, w.decided(asked{}))
	w.end(w.host.Stream())
	assert.Zero(t, w.host.Metrics[inFlightMetric])
	assert.Zero(t, w.host.Metrics["palisade.ratelimit_in_flight.policy.wide"])
}

// With a global limit, a request takes its place when the service has answered, and a full house costs no call.
func TestConcurrencyAndGlobal(t *testing.T) {
	s := &counting{limit: 3, reset: time.Hour}
	w := newWorker(t, `{"global": {"cluster": "`+cluster+`"}, "limits": [`+forAll+`], "concurrency": [{"name": "db", "max": 1}]}`)
	a, b := w.ask(asked{}), w.ask(asked{})
	require.True(t, w.answered(s, a))
	stream := w.host.Stream()
	require.False(t, w.answered(s, b), "the place is gone")
	require.False(t, w.decided(asked{}))
	w.end(stream)
	require.True(t, w.answered(s, w.ask(asked{})))
	w.end(w.host.Stream())
	require.False(t, w.answered(s, w.ask(asked{})))
	assert.Contains(t, w.host.Properties["palisade.ratelimit"], `"policy":"all"`)
	assert.Zero(t, w.host.Metrics[inFlightMetric])
}

// A bucket that fails when the place is taken already gives the place back.
func TestPlaceReturnsIfCountingFails(t *testing.T) {
	w := newWorker(t, `{"limits": [{"name": "r", "rate": {"requests": 9, "per": "1h"}}], "concurrency": [{"name": "db", "max": 1}]}`)
	require.True(t, w.decided(asked{}))
	w.end(w.host.Stream())
	for range 2 {
		writes := 0
		w.host.Fault = func(_ int, call string) bool {
			if call == "SetSharedData" {
				writes++
			}
			return call == "SetSharedData" && writes == 2
		}
		require.False(t, w.decided(asked{}))
		assert.Contains(t, w.host.Properties["palisade.ratelimit"], `"status":503,`)
		assert.Contains(t, w.host.Properties["palisade.ratelimit"], `"policy":"r"`)
	}
	w.host.Fault = nil
	require.True(t, w.decided(asked{}))
}

func TestConcurrencyDryRun(t *testing.T) {
	w := newWorker(t, `{"concurrency": [{"name": "db", "max": 1, "mode": "dry-run"}]}`)
	for i := range 3 {
		require.True(t, w.decided(asked{}))
		assert.Len(t, w.host.Logs, min(i, 1))
	}
	assert.EqualValues(t, 2, w.host.Metrics["palisade.decisions.filter.ratelimit.effect.deny.policy.db.mode.dry-run"])
}

// The requests of an old configuration count against the new one, until they end.
func TestConcurrencySurvivesAnUpdate(t *testing.T) {
	old := newWorker(t, `{"concurrency": [{"name": "db", "max": 2}]}`)
	require.True(t, old.decided(asked{}))
	next := &worker{T: t, now: old.now}
	next.host = &hosttest.Host{Config: []byte(`{"concurrency": [{"name": "new", "max": 5}, {"name": "db", "max": 1}]}`), Clock: old.host.Clock}
	old.host.ShareWith(next.host)
	next.handler = start(t, next.host)
	require.False(t, next.decided(asked{}))
	old.end(old.host.Stream())
	require.True(t, next.decided(asked{}))
}

func TestCostFromResponse(t *testing.T) {
	w := newWorker(t, `{"limits": [{"name": "tokens", "key": ["header:x"], "cost": 0, "costFromResponse": {"header": "X-Used", "max": 50},
		"rate": {"requests": 100, "per": "100s"}}], "concurrency": [{"name": "db", "max": 9}]}`)
	use := func(key string, used ...string) {
		t.Helper()
		require.True(t, w.decided(header(key)))
		w.host.Upstream = nil
		for _, u := range used {
			w.host.Upstream = append(w.host.Upstream, [2]string{"x-used", u})
		}
		w.handler.(host.Follower).ResponseHeaders(w.host)
		w.handler.(host.Follower).StreamEnd(w.host)
	}
	for range 5 {
		use("a") // says nothing, costs nothing
	}
	use("a", "49")
	use("a", "50")
	use("a", "50") // one was left: the bucket is 49 below zero
	require.False(t, w.decided(header("a")))
	assert.Equal(t, "50", w.host.Sent.Header("retry-after"), "when one flows back that is not owed")
	*w.now = w.now.Add(50 * time.Second)
	use("a", "0")
	for _, absurd := range [][]string{{"51"}, {"-1"}, {"1e1"}, {"x"}, {"1", "1"}, {""}, {"99999999999999999999"}} {
		use("b"+absurd[0], absurd...)
		use("b"+absurd[0], "50")
		require.False(t, w.decided(header("b"+absurd[0])), "it cost the most: %v", absurd)
	}

	// What cannot be read costs the most, and what is charged once is not charged again.
	require.True(t, w.decided(header("c")))
	w.host.Upstream = [][2]string{{"x-used", "1"}}
	w.host.Fault = func(_ int, call string) bool { return call == "ResponseHeaders" }
	w.handler.(host.Follower).ResponseHeaders(w.host)
	w.host.Fault = nil
	w.handler.(host.Follower).ResponseHeaders(w.host)
	use("c", "49")
	use("c", "1")
	require.False(t, w.decided(header("c")))
	assert.EqualValues(t, 1, w.host.Metrics["palisade.errors.filter.ratelimit.kind.response_cost"])
}

func TestGlobalCostFromResponse(t *testing.T) {
	s := &counting{limit: 10, reset: time.Hour}
	w := newWorker(t, globalConfig(`{"name": "tokens", "key": ["header:x"], "costFromResponse": {"header": "x-used", "max": 50},
		"rate": {"requests": 10, "per": "1h"}, "scope": "global"}`, ""))
	require.True(t, w.answered(s, w.ask(header("a_b"))))
	w.host.Upstream = [][2]string{{"x-used", "12"}}
	w.handler.(host.Follower).ResponseHeaders(w.host)
	require.Len(t, w.host.HTTPCalls, 2)
	w.host.AnswerGRPC(2, s.answer(t, w.host.HTTPCalls[1].Body), "0", w.respond)
	assert.EqualValues(t, 13, s.counts["limit=tokens header:x=a%5Fb"])
	require.False(t, w.answered(s, w.ask(header("a_b"))))
	assert.Nil(t, w.host.Response, "a refusal has no response")
}
