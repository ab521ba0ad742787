package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseWrk(t *testing.T) {
	const head = "Running 3s test @ http://127.0.0.1:10000/\n  1 threads and 8 connections\nRequests/sec:  20000.00\n\nwrk.lua: "
	for name, c := range map[string]struct {
		out  string
		want load
		err  string
	}{
		"good": {
			out: head + `{"requests": 60000, "microseconds": 3000000, "wrongStatus": 0, "socketErrors": 0, ` +
				`"p50": 390, "p99": 800, "p99.9": 1200, "max": 9000}` + "\n",
			want: load{Requests: 60000, Microseconds: 3000000, P50: 390, P99: 800, P999: 1200, Max: 9000},
		},
		"wrong statuses": {
			out: head + `{"requests": 10, "microseconds": 1, "wrongStatus": 3, "socketErrors": 0, "p50": 1, "p99": 1, "p99.9": 1}` + "\n",
			err: "3 of 10 responses have another status",
		},
		"socket errors": {
			out: head + `{"requests": 10, "microseconds": 1, "wrongStatus": 0, "socketErrors": 2, "p50": 1, "p99": 1, "p99.9": 1}` + "\n",
			err: "2 requests failed",
		},
		"no answers": {
			out: head + `{"requests": 0, "microseconds": 1, "wrongStatus": 0, "socketErrors": 0, "p50": 0, "p99": 0, "p99.9": 0}` + "\n",
			err: "not one answer",
		},
		"no result":  {out: "unable to connect to 127.0.0.1:1", err: "unable to connect"},
		"cut result": {out: head + `{"requests": 1`, err: "unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseWrk(c.out)
			if c.err != "" {
				assert.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.InDelta(t, 20000, got.perSecond(), 1e-9)
		})
	}
}

func TestStat(t *testing.T) {
	const stats = "http.bench.downstream_rq_total_more: 5\nhttp.bench.downstream_rq_total: 17\n"
	total, err := stat(stats, "http.bench.downstream_rq_total")
	require.NoError(t, err)
	assert.Equal(t, 17, total)
	_, err = stat(stats, "http.bench.downstream")
	assert.ErrorContains(t, err, "no statistic")
}

func TestStolen(t *testing.T) {
	const before = "cpu  100 0 100 100 0 0 0 10 5 0\ncpu0 50 0 50 50 0 0 0 5 0 0\n"
	for name, c := range map[string]struct {
		after string
		want  float64
	}{
		"a quarter":           {"cpu  160 0 120 110 0 0 0 40 50 0\n", 25},
		"nothing":             {"cpu  160 0 120 110 0 0 0 10 5 0\n", 0},
		"no time went by":     {before, 0},
		"no /proc/stat":       {"", 0},
		"a kernel without it": {"cpu  160 0 120 110 0 0 0\n", 0},
	} {
		t.Run(name, func(t *testing.T) { assert.InDelta(t, c.want, stolen(before, c.after), 1e-9) })
	}
}

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   spread
	}{
		"one":  {[]float64{7}, spread{7, 7, 7}},
		"odd":  {[]float64{9, 1, 4}, spread{4, 1, 9}},
		"even": {[]float64{8, 1, 2, 4}, spread{3, 1, 8}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, newSpread(c.values)) })
	}
	values := []float64{3, 1, 2}
	newSpread(values)
	assert.Equal(t, []float64{3, 1, 2}, values, "the rounds keep their order")
}

// In the second round the machine is half as fast; what is added doubles, ratios stay.
var (
	testScenarios = []scenario{{name: baseline}, {name: "a"}, {name: "b"}}
	testSamples   = [][]sample{
		{cpuSample(20, 1000), cpuSample(40, 500), cpuSample(20, 900)},
		{cpuSample(24, 800), cpuSample(48, 400), cpuSample(24, 800)},
		{cpuSample(32, 600), cpuSample(64, 300), cpuSample(30, 600)},
	}
)

func cpuSample(cpu float64, requests int) sample {
	return sample{cpu: cpu, load: load{
		Requests: requests, Microseconds: 1_000_000, P50: requests, P99: 2 * requests, P999: 3 * requests, Max: 4 * requests,
	}}
}

func TestRows(t *testing.T) {
	rows := newRows(testScenarios, testSamples)
	require.Len(t, rows, 3)
	assert.Equal(t, spread{0, 0, 0}, rows[0].Added)
	a := rows[1]
	assert.Equal(t, "a", a.Name)
	assert.Equal(t, spread{24, 24, 48}, a.CPU)
	assert.Equal(t, spread{4, 4, 8}, a.Added, "above the baseline of the same round")
	assert.Equal(t, spread{800, 400, 800}, a.PerSecond)
	assert.Equal(t, spread{800, 400, 800}, a.P50)
	assert.Equal(t, spread{1600, 800, 1600}, a.P99)
	assert.Equal(t, spread{2400, 1200, 2400}, a.P999)
	assert.Equal(t, spread{3200, 1600, 3200}, a.Longest)
	assert.Equal(t, []float64{24, 48, 24}, a.Rounds)
}

// With a token the requests of "b" cost 6 more by themselves.
func TestRequestsWithTokens(t *testing.T) {
	token := request{Headers: bearer("x")}
	scenarios := []scenario{{name: baseline}, {name: "a"}, {name: baselineToken, request: token}, {name: "b", request: token}}
	var samples [][]sample
	for _, cpu := range []float64{20, 24, 26, 34} {
		samples = append(samples, []sample{cpuSample(cpu, 1)})
	}
	rows := newRows(scenarios, samples)
	assert.Equal(t, baseline, rows[1].Base)
	assert.Equal(t, spread{4, 4, 4}, rows[1].Added)
	assert.Equal(t, baselineToken, rows[3].Base)
	assert.Equal(t, spread{8, 8, 8}, rows[3].Added)
	assert.Equal(t, []ratio{{Of: "b", By: "a", spread: spread{2, 2, 2}}}, newRatios([]comparison{{"b", "a"}}, scenarios, samples))
	assert.Contains(t, (&report{Scenarios: rows}).String(), "\n| none-token | 26.0 (26.0 to 26.0) |  |")
}

func TestInstructions(t *testing.T) {
	counted := addedTo([]instructions{
		{Name: baseline, Base: baseline, PerRequest: 80_000},
		{Name: "a", Base: baseline, PerRequest: 90_000},
		{Name: baselineToken, Base: baselineToken, PerRequest: 100_000},
		{Name: "b", Base: baselineToken, PerRequest: 125_040},
	})
	r := &report{conditions: conditions{Date: "2026-01-02", Envoy: "1.40.0"}, Instructions: counted,
		InstructionRatios: newInstructionRatios([]comparison{{"b", "a"}, {"b", "absent"}, {"absent", "a"}, {"a", baseline}}, counted)}
	assert.Equal(t, `2026-01-02, Envoy 1.40.0, one worker, under callgrind. Thousands of instructions of the whole Envoy, mean of 2000 requests.

| scenario | k instructions/request | added |
| --- | ---: | ---: |
| none | 80.0 |  |
| a | 90.0 | 10.0 |
| none-token | 100.0 |  |
| b | 125.0 | 25.0 |

| added instructions of | divided by those of | ratio |
| --- | --- | ---: |
| b | a | 2.5 |
`, r.String())
	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"instructions":[{"name":"none","base":"none","perRequest":80000,"added":0},`)
	assert.NotContains(t, string(text), `"scenarios"`)
}

func TestTotalOf(t *testing.T) {
	n, err := totalOf("fn=(1) f\n12 34\n\ntotals: 456789\n")
	require.NoError(t, err)
	assert.EqualValues(t, 456789, n)
	_, err = totalOf("summary: 1\n")
	assert.ErrorContains(t, err, "no line with totals")
}

func TestRatios(t *testing.T) {
	ratios := newRatios([]comparison{{"b", "a"}, {"absent", "a"}, {"a", "absent"}}, testScenarios, testSamples)
	assert.Equal(t, []ratio{{Of: "b", By: "a", spread: spread{3, 2.5, 3}}}, ratios)

	// In the first round, "a" used no more than the baseline.
	noisy := [][]sample{testSamples[0], {cpuSample(20, 1), cpuSample(48, 1), cpuSample(24, 1)}, testSamples[2]}
	ratios = newRatios([]comparison{{"b", "a"}, {"a", "b"}}, testScenarios, noisy)
	assert.Equal(t, ratio{Of: "b", By: "a", Noise: true}, ratios[0])
	assert.Equal(t, ratio{Of: "a", By: "b", spread: spread{8.0 / 24, 0, 0.4}}, ratios[1])
	_, err := json.Marshal(ratios)
	assert.NoError(t, err, "JSON has no infinity")
}

func TestMarkdown(t *testing.T) {
	r := &report{
		conditions: conditions{
			Date: "2026-01-02", Envoy: "1.40.0", CPUs: 2, Pinned: true, LoadBefore: "0.10", LoadAfter: "1.20", Stolen: 2.5,
			Rounds: 3, Seconds: 1, Connections: 8,
		},
		Scenarios: newRows(testScenarios, testSamples),
		Ratios:    newRatios([]comparison{{"b", "a"}}, testScenarios, testSamples),
		Startup: []startup{
			{Name: baseline, Seconds: spread{0.25, 0.2, 0.3}, CPU: spread{0.125, 0.1, 0.25}, RSS: 40, Peak: 41, Second: 1},
			{Name: "a", Seconds: spread{1.5, 1.25, 2}, Added: spread{1.25, 1, 1.75}, RSS: 50, Peak: 70, Second: 12},
			{Name: "b", Error: "refused: a | b"},
		},
		Updates: newUpdates([]updating{{name: "c"}, {name: "d"}}, [][]float64{{0.01, 0.02, 0.03}, {0.05, 0.04, 0.09}}),
	}
	assert.Equal(t, `2026-01-02, Envoy 1.40.0, one worker, 2 CPUs, Envoy and wrk each on a CPU of their own.
Medians (least to most) of 3 rounds of 1 s, 8 connections. Load average 0.10 before, 1.20 after; 2.5 % of the time stolen by the hypervisor.

| scenario | CPU us/request | added us | requests/s | p50 us | p99 us | p99.9 us | longest ms | RSS MB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| none | 20.0 (20.0 to 40.0) |  | 900 | 900 | 1800 | 2700 | 4.0 | 0 |
| a | 24.0 (24.0 to 48.0) | 4.0 (4.0 to 8.0) | 800 | 800 | 1600 | 2400 | 3.2 | 0 |
| b | 32.0 (30.0 to 64.0) | 12.0 (10.0 to 24.0) | 600 | 600 | 1200 | 1800 | 2.4 | 0 |

| added CPU of | divided by that of | ratio |
| --- | --- | ---: |
| b | a | 3 (2.5 to 3) |

| start | ms until the first answer | more than none | CPU ms | RSS MB | peak MB | a second worker MB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| none | 250 (200 to 300) | 0 (0 to 0) | 125 (100 to 250) | 40 | 41 | 1 |
| a | 1500 (1250 to 2000) | 1250 (1000 to 1750) | 0 (0 to 0) | 50 | 70 | 12 |
| b | refused: a / b | | | | | |

Other policies, 1000 of them, by ECDS from a file: until the worker decides by them. Medians (least to most) of 10 times.

| update | ms | more than c |
| --- | ---: | ---: |
| c | 20.0 (10.0 to 30.0) |  |
| d | 50.0 (40.0 to 90.0) | 40.0 (20.0 to 60.0) |
`, r.String())
}

// A scenario that takes long has fewer rounds.
func TestStartup(t *testing.T) {
	r := startup{Rounds: []float64{3, 5}, CPURounds: []float64{2, 4}}
	r.summarize([]float64{1, 2, 9})
	assert.Equal(t, spread{4, 3, 5}, r.Seconds)
	assert.Equal(t, spread{2.5, 2, 3}, r.Added)
	assert.Equal(t, spread{3, 2, 4}, r.CPU)
	r = startup{Rounds: []float64{3}, CPURounds: []float64{2}}
	r.summarize(nil)
	assert.Zero(t, r.Added)
}
