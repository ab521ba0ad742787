package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/bench/openloop"
)

func TestSteadyFlags(t *testing.T) {
	o, err := parseSteady(nil)
	require.NoError(t, err)
	assert.Equal(t, 20_000, o.rate)
	assert.Equal(t, 120, o.rounds())
	for _, c := range []struct {
		args []string
		err  string
	}{
		{[]string{"-rate", "0"}, "-rate"},
		{[]string{"-connections", "0"}, "-connections"},
		{[]string{"-turn", "0s"}, "-turn"},
		{[]string{"-turn", "2s", "-duration", "1s"}, "-turn"},
		{[]string{"-o", "xml"}, "-o xml"},
		{[]string{"-scenarios", "("}, "missing closing"},
	} {
		_, err := parseSteady(c.args)
		assert.ErrorContains(t, err, c.err, "%v", c.args)
	}
}

func TestSteadyScenarios(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
		err  string
	}{
		{want: []string{baselineToken, "native-row-cached", "palisade-cached"}},
		{args: []string{"-scenarios", "^authz-20$"}, want: []string{baseline, "authz-20"}},
		{args: []string{"-scenarios", "^jwt-distinct$"}, err: "jwt-distinct has no one request"},
		{args: []string{"-scenarios", "denied$"}, err: "denied has no one request"},
		{args: []string{"-scenarios", "absent"}, err: "none of that name"},
	} {
		o, err := parseSteady(c.args)
		require.NoError(t, err)
		chosen, err := o.chosen()
		if c.err != "" {
			assert.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		var names []string
		for _, s := range chosen {
			names = append(names, s.name)
		}
		assert.Equal(t, c.want, names)
	}
}

func milliseconds(values ...float64) []time.Duration {
	durations := make([]time.Duration, len(values))
	for i, v := range values {
		durations[i] = time.Duration(v * float64(time.Millisecond))
	}
	return durations
}

// The second of two pauses is the load's own.
func TestSteadyTurn(t *testing.T) {
	ms := time.Millisecond
	result := &openloop.Result{
		Rate: 100, Took: 50 * ms, Unanswered: 1, Latencies: milliseconds(1, 8, 2, 7, 3),
		Stalls: []openloop.Pause{{From: 30 * ms, To: 36 * ms}},
	}
	turn := newSteadyTurn(result, result.Sorted(), 5*ms)
	assert.Equal(t, steadyTurn{quantiles: quantiles{P50: 3000, P99: 8000, P999: 8000, Longest: 8000}, PerSecond: 80, Pauses: 2, Own: 1}, turn)
}

func steadyRows() []steadyRow {
	turn := func(p99, perSecond float64, pauses, rss int) steadyTurn {
		return steadyTurn{
			quantiles: quantiles{P50: p99 / 2, P99: p99, P999: 3 * p99, Longest: 4 * p99},
			PerSecond: perSecond, CPU: p99 / 10, Pauses: pauses, Own: min(pauses, 1), Waited: 1, RSS: rss,
		}
	}
	sorted := milliseconds(0.1, 0.2, 0.3)
	return []steadyRow{
		newSteadyRow("a", []steadyTurn{turn(100, 1000, 2, 60), turn(200, 1000, 0, 61), turn(100, 999, 3, 61)}, sorted),
		newSteadyRow("b", []steadyTurn{turn(300, 900, 0, 70), turn(300, 950, 0, 90), turn(150, 1000, 0, 80)}, sorted),
	}
}

func TestSteadyRows(t *testing.T) {
	a, b := steadyRows()[0], steadyRows()[1]
	assert.Equal(t, quantiles{P50: 200, P99: 300, P999: 300, Longest: 300}, a.quantiles, "of all requests together")
	assert.Equal(t, 5, a.Pauses)
	assert.Equal(t, 2, a.Own)
	assert.Equal(t, 10.0, a.CPU)
	assert.Equal(t, [4]int{60, 61, 61, 61}, a.RSS)
	assert.Equal(t, [4]int{70, 90, 80, 90}, b.RSS)
	assert.True(t, a.keepsUp(1000))
	assert.False(t, b.keepsUp(1000))
	all := []comparison{{"b", "a"}, {"absent", "a"}, {"b", "absent"}}
	assert.Empty(t, newSteadyRatios(all, steadyRows(), 1000), "what does not keep up has no latencies to compare")
	ratios := newSteadyRatios(all, steadyRows(), 900)
	want := spread{1.5, 1.5, 3}
	assert.Equal(t, []steadyRatio{{Of: "b", By: "a", P50: want, P99: want, P999: want}}, ratios)
}

func TestSteadyMarkdown(t *testing.T) {
	r := &steadyReport{
		conditions: conditions{
			Date: "2026-01-02", Envoy: "1.40.0", CPUs: 2, Pinned: true, LoadBefore: "0.10", LoadAfter: "1.20", Stolen: 2.5,
			Rounds: 3, Seconds: 5, Connections: 32,
		},
		Rate: 1000, Pause: 5, Rows: steadyRows(), Ratios: newSteadyRatios([]comparison{{"b", "a"}}, steadyRows(), 900),
	}
	assert.Equal(t, `2026-01-02, Envoy 1.40.0, one worker, 2 CPUs, Envoy and the load each on a CPU of their own.
1000 requests/s on 32 connections, each scenario 3 times for 5 s, in turns. Load average 0.10 before, 1.20 after; 2.5 % of the time stolen by the hypervisor.

| scenario | answers/s | p50 us | p99 us | p99.9 us | longest ms | pauses above 5 ms | of them, the load's own | waited for its CPU % | CPU us/request | RSS MB: start | half | end | most |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| a | 1000 | 200 | 300 | 300 | 0.3 | 5 | 2 | 1.0 | 10.0 | 60 | 61 | 61 | 61 |
| b | 950 | 200 | 300 | 300 | 0.3 | 0 | 0 | 1.0 | 30.0 | 70 | 90 | 80 | 90 |

| latency of | divided by that of | p50 | p99 | p99.9 |
| --- | --- | ---: | ---: | ---: |
| b | a | 1.50 (1.50 to 3.00) | 1.50 (1.50 to 3.00) | 1.50 (1.50 to 3.00) |

b does not keep up with the rate: its latencies are those of the queue.
`, r.String())
	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"turns":[{"p50":50,"p99":100,"p99.9":300,"max":400,"requestsPerSecond":1000,`)
}
