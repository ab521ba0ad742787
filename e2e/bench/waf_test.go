package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/bench/traffic"
)

func requests(n int) []traffic.Request {
	list := make([]traffic.Request, n)
	for i := range list {
		list[i] = traffic.Request{Name: "request", Wire: []byte("GET / HTTP/1.1\r\nHost: test\r\n\r\n"), Status: http.StatusOK}
	}
	return list
}

// A turn has whole blocks, at least one, and the next turn goes on where it ended.
func TestFeeder(t *testing.T) {
	f := &feeder{pool: requests(10), block: 4}
	count := func() (n int) {
		for f.next() != nil {
			n++
		}
		return n
	}
	f.begin(-time.Second, 0)
	assert.Equal(t, 4, count())
	f.begin(-time.Second, 5)
	assert.Equal(t, 8, count())
	f.begin(-time.Second, 0)
	assert.Same(t, &f.pool[2], f.next(), "12 were handed out, of 10 that there are")
	f.begin(time.Hour, 0)
	for range 100 {
		require.NotNil(t, f.next(), "the time is not over")
	}
}

// A feeder with an endless row of requests never comes back to the first.
func TestFeederRefills(t *testing.T) {
	parts := 0
	f := &feeder{pool: requests(3), block: 1, refill: func() []traffic.Request { parts++; return requests(3) }}
	first := &f.pool[0]
	f.begin(0, 9)
	require.Same(t, first, f.next())
	for range 8 {
		require.NotSame(t, first, f.next())
	}
	assert.Equal(t, 2, parts)
}

func TestDrive(t *testing.T) {
	refuse := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse != "" && r.URL.Path == refuse {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	list := requests(100)
	list[50] = traffic.Request{Name: "the attack", Wire: []byte("GET /attack HTTP/1.1\r\nHost: test\r\n\r\n"), Status: http.StatusForbidden}

	f := &feeder{pool: list, block: 100}
	f.begin(0, 0)
	_, err := drive(t.Context(), f, address, 4)
	require.ErrorContains(t, err, "the attack is answered with 200, not 403")

	refuse = "/attack"
	f.begin(0, 0)
	result, err := drive(t.Context(), f, address, 4)
	require.NoError(t, err)
	assert.Zero(t, (f.at-f.start)%100)
	assert.Len(t, result.latencies, f.at-f.start)

	refuse = "/"
	f.begin(0, 0)
	_, err = drive(t.Context(), f, address, 4)
	require.ErrorContains(t, err, "request is answered with 403, not 200")
}

func TestPercentile(t *testing.T) {
	result := &turnResult{elapsed: 2 * time.Second}
	for i := range 100 {
		result.latencies = append(result.latencies, time.Duration(i)*time.Millisecond)
	}
	assert.InDelta(t, 50_000, result.percentile(50), 0)
	assert.InDelta(t, 99_000, result.percentile(99), 0)
	assert.InDelta(t, 99_000, result.percentile(100), 0)
	assert.InDelta(t, 50, result.perSecond(), 0)
}

// What is added, and the ratio, are of the same round.
func TestWAFRows(t *testing.T) {
	turn := func(cpu float64) wafSample {
		return wafSample{cpu: cpu, turnResult: &turnResult{latencies: []time.Duration{time.Millisecond}, elapsed: time.Second}}
	}
	columns := []wafColumn{{name: baseline}, {name: peerColumnName}, {name: wafColumnName}, {name: "new"}}
	rows := newWAFRows([]string{"get"}, columns, [][][]wafSample{{
		{turn(100), turn(200), turn(100)}, {turn(1100), turn(2200), turn(2100)}, {turn(600), turn(700), turn(600)},
		{turn(350), turn(700), turn(600)},
	}})
	require.Len(t, rows, 4)
	assert.Nil(t, rows[0].Added)
	assert.Nil(t, rows[1].OfPeer)
	assert.Equal(t, &spread{Median: 500, Min: 500, Max: 500}, rows[2].Added)
	assert.Equal(t, &spread{Median: 0.25, Min: 0.25, Max: 0.5}, rows[2].OfPeer)
	assert.Equal(t, &spread{Median: 0.25, Min: 0.25, Max: 0.25}, rows[3].OfPeer)
	assert.Equal(t, 3, rows[3].Requests)
	text := (&wafReport{Rows: rows}).String()
	assert.Contains(t, text, "| get | waf-filter | 600 (600 to 700) | 500 | 0.250 (0.250 to 0.500) | 1 | 1.00 | 1.00 | 3 | 0 |")
}

func TestParseWAF(t *testing.T) {
	o, err := parseWAF([]string{"-module", "new=/tmp/new.wasm", "-scenarios", "json", "-columns", "waf"})
	require.NoError(t, err)
	assert.Equal(t, []wafColumn{{name: "new", file: "/tmp/new.wasm"}}, o.modules)
	assert.False(t, o.columns.MatchString(peerColumnName))
	for args, want := range map[string]string{
		"-module x":     "name=file",
		"-rounds 0":     "-rounds",
		"-scenarios (":  "missing closing",
		"-o yaml":       "markdown or json",
		"json":          "unexpected argument",
		"-connections=": "invalid value",
	} {
		_, err := parseWAF(strings.Fields(args))
		assert.ErrorContains(t, err, want, args)
	}
	o, err = parseWAF([]string{"-scenarios", "nothing"})
	require.NoError(t, err)
	_, err = o.workloads()
	assert.ErrorContains(t, err, "there is none")
}

// Without a filter, attacks pass.
func TestExpected(t *testing.T) {
	list := []traffic.Request{{Status: http.StatusForbidden}}
	assert.Equal(t, http.StatusOK, (&wafColumn{name: baseline}).expected(list)[0].Status)
	assert.Equal(t, http.StatusForbidden, (&wafColumn{name: "x", file: "x.wasm"}).expected(list)[0].Status)
	assert.Equal(t, http.StatusForbidden, list[0].Status, "the list is the others', too")
}

// A soak lives with an answer that is wrong by chance, but not with one that no decision is behind.
func TestTolerates(t *testing.T) {
	f := &feeder{mostWrong: 1}
	list := requests(1)
	assert.False(t, f.tolerates(errors.New("connection refused")))
	assert.False(t, f.tolerates(&wrongAnswer{&list[0], http.StatusServiceUnavailable, ""}))
	assert.True(t, f.tolerates(&wrongAnswer{&list[0], http.StatusForbidden, ""}))
	assert.False(t, f.tolerates(&wrongAnswer{&list[0], http.StatusForbidden, ""}), "one more than may be")
	assert.Len(t, f.wrong, 2)
}

func TestJudge(t *testing.T) {
	memory := func(of func(i int) float64) []float64 {
		list := make([]float64, soakSamples)
		for i := range list {
			list[i] = of(i)
		}
		return list
	}
	flat := memory(func(i int) float64 { return 100 + float64(min(i, soakSamples/2)) })
	flat[soakSamples-2] = 1000 // which comes and goes
	require.NoError(t, judge(flat, nil, 1, 3))
	require.Error(t, judge(memory(func(i int) float64 { return 200 + float64(i)/10 }), nil, 1, 3))
}
