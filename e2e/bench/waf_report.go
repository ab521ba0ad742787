package main

import (
	"fmt"
	"strings"
)

// wafReport is all that was measured, as it is written to build/bench-waf.json.
type wafReport struct {
	conditions

	Starts []wafStart `json:"starts,omitempty"`
	Rows   []wafRow   `json:"rows"`
}

// wafRow is what became of one scenario with one column in all rounds. Times are in microseconds.
type wafRow struct {
	Scenario string `json:"scenario"`
	Column   string `json:"column"`
	CPU      spread `json:"cpu"`
	// Added is CPU time above that of no filter in the same round; OfPeer is that divided by the peer's. Either may not be there.
	Added     *spread   `json:"added,omitempty"`
	OfPeer    *spread   `json:"ofPeer,omitempty"`
	PerSecond spread    `json:"requestsPerSecond"`
	P50       spread    `json:"p50"`
	P99       spread    `json:"p99"`
	RSS       int       `json:"rssMB"` // after the last round
	Requests  int       `json:"requests"`
	Rounds    []float64 `json:"cpuByRound"`
}

// newWAFRows has a row for each scenario and column; the first column is no filter.
func newWAFRows(scenarios []string, columns []wafColumn, samples [][][]wafSample) []wafRow {
	var rows []wafRow
	for i, name := range scenarios {
		none := wafCPUs(samples[i][0])
		var peer []float64
		for j, c := range columns {
			if c.name == peerColumnName {
				peer = minus(wafCPUs(samples[i][j]), none)
			}
		}
		for j, c := range columns {
			s := samples[i][j]
			row := wafRow{
				Scenario: name, Column: c.name, CPU: newSpread(wafCPUs(s)), Rounds: wafCPUs(s),
				PerSecond: wafSpread(s, (*turnResult).perSecond),
				P50:       wafSpread(s, func(t *turnResult) float64 { return t.percentile(50) }),
				P99:       wafSpread(s, func(t *turnResult) float64 { return t.percentile(99) }),
			}
			for _, one := range s {
				row.Requests += len(one.latencies)
			}
			if j > 0 {
				above := minus(wafCPUs(s), none)
				added := newSpread(above)
				row.Added = &added
				if peer != nil && c.name != peerColumnName && newSpread(peer).Min > 0 {
					ratio := newSpread(divide(above, peer))
					row.OfPeer = &ratio
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func wafCPUs(samples []wafSample) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = s.cpu
	}
	return out
}

func wafSpread(samples []wafSample, value func(*turnResult) float64) spread {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s.turnResult)
	}
	return newSpread(values)
}

// String is the report as Markdown.
func (r *wafReport) String() string {
	var b strings.Builder
	r.write(&b, "Envoy on a CPU of its own", "Envoy and the load")
	fmt.Fprintln(&b, "| scenario | filter | CPU us/request | added us | of the peer's | requests/s | p50 ms | p99 ms | requests | RSS MB |")
	fmt.Fprintln(&b, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, row := range r.Rows {
		added, ratio := "", ""
		if row.Added != nil {
			added = fmt.Sprintf("%.0f", row.Added.Median)
		}
		if row.OfPeer != nil {
			ratio = row.OfPeer.formatRatio()
		}
		fmt.Fprintf(&b, "| %s | %s | %.0f (%.0f to %.0f) | %s | %s | %.0f | %.2f | %.2f | %d | %d |\n",
			row.Scenario, row.Column, row.CPU.Median, row.CPU.Min, row.CPU.Max, added, ratio,
			row.PerSecond.Median, row.P50.Median/1000, row.P99.Median/1000, row.Requests, row.RSS)
	}
	if len(r.Starts) > 0 {
		r.writeStarts(&b)
	}
	return b.String()
}

func (s spread) formatRatio() string {
	return fmt.Sprintf("%.3f (%.3f to %.3f)", s.Median, s.Min, s.Max)
}

func (r *wafReport) writeStarts(b *strings.Builder) {
	fmt.Fprintf(b, "\nMemory is in MB, after %d of the mixed requests for each worker; start is until the first answer.\n\n", memoryRequests)
	fmt.Fprintln(b, "| filter | module MB | start s | without rules s | first answer | one worker | more than none | peak | a second worker |")
	fmt.Fprintln(b, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, s := range r.Starts {
		fmt.Fprintf(b, "| %s | %.2f | %.2f | %.2f | %d | %d | %d | %d | %d |\n", s.Column, float64(s.ModuleBytes)/1e6, s.Seconds.Median,
			s.Module.Median, s.RSS, s.Used[0], s.Used[0]-r.Starts[0].Used[0], s.Peak, s.Used[1]-s.Used[0])
	}
}
