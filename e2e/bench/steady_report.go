package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/e2e/bench/openloop"
)

// steadyReport is all that was measured, as it is written to build/bench-steady.json.
type steadyReport struct {
	conditions

	Rate   int           `json:"rate"`
	Pause  float64       `json:"pauseMilliseconds"` // what latency above it counts as one
	Rows   []steadyRow   `json:"rows"`
	Ratios []steadyRatio `json:"ratios,omitempty"`
}

// quantiles are latencies in microseconds.
type quantiles struct {
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	P999    float64 `json:"p99.9"`
	Longest float64 `json:"max"`
}

func newQuantiles(sorted []time.Duration) quantiles {
	at := func(share float64) float64 { return float64(openloop.Quantile(sorted, share).Nanoseconds()) / 1000 }
	return quantiles{P50: at(0.5), P99: at(0.99), P999: at(0.999), Longest: at(1)}
}

// steadyTurn is what became of a scenario in a round.
type steadyTurn struct {
	quantiles

	PerSecond float64 `json:"requestsPerSecond"` // answered
	CPU       float64 `json:"cpu"`               // microseconds of Envoy's per request
	Pauses    int     `json:"pauses"`
	Own       int     `json:"pausesOfTheLoad"` // of them
	// Waited is for what share of the time Envoy waited for its CPU, which another process had, in percent.
	Waited float64 `json:"waitedPercent"`
	RSS    int     `json:"rssMB"` // afterwards
}

func newSteadyTurn(result *openloop.Result, sorted []time.Duration, pause time.Duration) steadyTurn {
	t := steadyTurn{quantiles: newQuantiles(sorted), PerSecond: float64(result.Answered()) / result.Took.Seconds()}
	for _, p := range result.Pauses(pause) {
		t.Pauses++
		if p.Own {
			t.Own++
		}
	}
	return t
}

// steadyRow is what became of a scenario in all rounds; quantiles are of all requests together.
type steadyRow struct {
	Name string `json:"name"`
	quantiles

	PerSecond float64 `json:"requestsPerSecond"` // median, as those below
	CPU       float64 `json:"cpu"`
	Waited    float64 `json:"waitedPercent"`
	Pauses    int     `json:"pauses"`          // in all
	Own       int     `json:"pausesOfTheLoad"` // of them
	// RSS is after the first, the middle and the last round, and the most.
	RSS   [4]int       `json:"rssMB"`
	Turns []steadyTurn `json:"turns"`
}

func newSteadyRow(name string, turns []steadyTurn, sorted []time.Duration) steadyRow {
	r := steadyRow{Name: name, quantiles: newQuantiles(sorted), Turns: turns}
	median := func(value func(steadyTurn) float64) float64 { return newSpread(each(turns, value)).Median }
	r.PerSecond = median(func(t steadyTurn) float64 { return t.PerSecond })
	r.CPU = median(func(t steadyTurn) float64 { return t.CPU })
	r.Waited = median(func(t steadyTurn) float64 { return t.Waited })
	r.RSS = [4]int{turns[0].RSS, turns[len(turns)/2].RSS, turns[len(turns)-1].RSS, 0}
	for _, t := range turns {
		r.Pauses += t.Pauses
		r.Own += t.Own
		r.RSS[3] = max(r.RSS[3], t.RSS)
	}
	return r
}

func each(turns []steadyTurn, value func(steadyTurn) float64) []float64 {
	values := make([]float64, len(turns))
	for i, t := range turns {
		values[i] = value(t)
	}
	return values
}

// keepsUp tells whether the requests were answered at the rate. If not, latencies are only of the queue.
func (r *steadyRow) keepsUp(rate int) bool { return r.PerSecond > 0.99*float64(rate) }

// steadyRatio is the latencies of one scenario divided by another's, round by round.
type steadyRatio struct {
	Of   string `json:"of"`
	By   string `json:"by"`
	P50  spread `json:"p50"`
	P99  spread `json:"p99"`
	P999 spread `json:"p99.9"`
}

// newSteadyRatios leaves out comparisons with a scenario that did not run, or did not keep up.
func newSteadyRatios(comparisons []comparison, rows []steadyRow, rate int) []steadyRatio {
	var ratios []steadyRatio
	for _, c := range comparisons {
		of := slices.IndexFunc(rows, func(r steadyRow) bool { return r.Name == c.of && r.keepsUp(rate) })
		by := slices.IndexFunc(rows, func(r steadyRow) bool { return r.Name == c.by && r.keepsUp(rate) })
		if of < 0 || by < 0 {
			continue
		}
		ratio := func(value func(steadyTurn) float64) spread {
			return newSpread(divide(each(rows[of].Turns, value), each(rows[by].Turns, value)))
		}
		ratios = append(ratios, steadyRatio{
			Of: c.of, By: c.by,
			P50:  ratio(func(t steadyTurn) float64 { return t.P50 }),
			P99:  ratio(func(t steadyTurn) float64 { return t.P99 }),
			P999: ratio(func(t steadyTurn) float64 { return t.P999 }),
		})
	}
	return ratios
}

// String is the report as Markdown.
func (r *steadyReport) String() string {
	var b strings.Builder
	r.writePlace(&b, "Envoy and the load each on a CPU of their own", "Envoy and the load")
	fmt.Fprintf(&b, "%d requests/s on %d connections, each scenario %d times for %.3g s, in turns. Load average %s before, %s after; "+
		"%.1f %% of the time stolen by the hypervisor.\n\n", r.Rate, r.Connections, r.Rounds, r.Seconds, r.LoadBefore, r.LoadAfter, r.Stolen)
	fmt.Fprintf(&b, "| scenario | answers/s | p50 us | p99 us | p99.9 us | longest ms | pauses above %.3g ms | of them, the load's own "+
		"| waited for its CPU %% | CPU us/request | RSS MB: start | half | end | most |\n", r.Pause)
	fmt.Fprintln(&b, "| --- |"+strings.Repeat(" ---: |", 13))
	for _, s := range r.Rows {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.0f | %.0f | %.1f | %d | %d | %.1f | %.1f | %d | %d | %d | %d |\n", s.Name, s.PerSecond,
			s.P50, s.P99, s.P999, s.Longest/1000, s.Pauses, s.Own, s.Waited, s.CPU, s.RSS[0], s.RSS[1], s.RSS[2], s.RSS[3])
	}
	r.writeRatios(&b)
	for _, s := range r.Rows {
		if !s.keepsUp(r.Rate) {
			fmt.Fprintf(&b, "\n%s does not keep up with the rate: its latencies are those of the queue.\n", s.Name)
		}
	}
	return b.String()
}

func (r *steadyReport) writeRatios(b *strings.Builder) {
	if len(r.Ratios) == 0 {
		return
	}
	fmt.Fprintln(b, "\n| latency of | divided by that of | p50 | p99 | p99.9 |")
	fmt.Fprintln(b, "| --- | --- | ---: | ---: | ---: |")
	for _, q := range r.Ratios {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", q.Of, q.By, q.P50.formatFine(), q.P99.formatFine(), q.P999.formatFine())
	}
}
