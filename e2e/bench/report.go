package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// conditions are those that a report's figures were had under.
type conditions struct {
	Date       string `json:"date"`
	Envoy      string `json:"envoy"`
	CPUs       int    `json:"cpus"`
	Pinned     bool   `json:"pinned"`
	LoadBefore string `json:"loadBefore"`
	LoadAfter  string `json:"loadAfter"`
	// Stolen is what the hypervisor took during the rounds, in percent. Above a few, CPU times are not Envoy's alone.
	Stolen      float64 `json:"stolenPercent"`
	Rounds      int     `json:"rounds"`
	Seconds     float64 `json:"seconds"` // of a turn
	Connections int     `json:"connections"`
}

func newConditions(rounds int, seconds float64, connections int) conditions {
	return conditions{
		Date: time.Now().UTC().Format(time.DateOnly), CPUs: runtime.NumCPU(), Pinned: runtime.NumCPU() > 1,
		LoadBefore: loadAverage(), Rounds: rounds, Seconds: seconds, Connections: connections,
	}
}

// end is for when all is measured. before is what procStat said when that began.
func (c *conditions) end(ctx context.Context, before string, p *proxy) (err error) {
	c.Stolen, c.LoadAfter = stolen(before, procStat()), loadAverage()
	c.Envoy, err = p.version(ctx)
	return err
}

// write says them, and whether what makes the load had a CPU of its own.
func (c *conditions) write(b *strings.Builder, apart, together string) {
	c.writePlace(b, apart, together)
	fmt.Fprintf(b, "Medians (least to most) of %d rounds of %.3g s, %d connections. Load average %s before, %s after; "+
		"%.1f %% of the time stolen by the hypervisor.\n\n",
		c.Rounds, c.Seconds, c.Connections, c.LoadBefore, c.LoadAfter, c.Stolen)
}

func (c *conditions) writePlace(b *strings.Builder, apart, together string) {
	where := apart
	if !c.Pinned {
		where = together + " on the same CPU: do not trust these figures"
	}
	fmt.Fprintf(b, "%s, Envoy %s, one worker, %d CPUs, %s.\n", c.Date, c.Envoy, c.CPUs, where)
}

// report is all that was measured, as it is written to build/bench.json.
type report struct {
	conditions

	Scenarios []row     `json:"scenarios,omitempty"`
	Ratios    []ratio   `json:"ratios,omitempty"`
	Startup   []startup `json:"startup,omitempty"`

	Updates []update `json:"updates,omitempty"`

	Scaling       []scaledScenario `json:"scaling,omitempty"`
	ScalingStolen float64          `json:"scalingStolenPercent,omitempty"`

	// With -instructions there are these and nothing else.
	Instructions      []instructions     `json:"instructions,omitempty"`
	InstructionRatios []instructionRatio `json:"instructionRatios,omitempty"`
}

// row is what became of a scenario in all rounds. Times are in microseconds; CPU time is Envoy's, per request.
type row struct {
	Name      string    `json:"name"`
	CPU       spread    `json:"cpu"`
	Base      string    `json:"base"`  // what it is compared with
	Added     spread    `json:"added"` // above the base's of the same round
	PerSecond spread    `json:"requestsPerSecond"`
	P50       spread    `json:"p50"`
	P99       spread    `json:"p99"`
	P999      spread    `json:"p99.9"`
	Longest   spread    `json:"max"`
	RSS       int       `json:"rssMB"` // after the last round
	Rounds    []float64 `json:"cpuByRound"`
}

// ratio is the added CPU time of one scenario divided by that of another, round by round.
type ratio struct {
	Of string `json:"of"`
	By string `json:"by"`
	// Noise says that in some round the divisor was lost in the noise: there is no ratio then.
	Noise bool `json:"noise,omitempty"`
	spread
}

// newRows has a row for each scenario; what each is compared with is among them.
func newRows(scenarios []scenario, samples [][]sample) []row {
	rows := make([]row, len(scenarios))
	for i, s := range scenarios {
		cpu := cpus(samples[i])
		rows[i] = row{
			Name: s.name, Base: s.base(), CPU: newSpread(cpu), Added: newSpread(added(scenarios, samples, i)), Rounds: cpu,
			PerSecond: spreadOf(samples[i], load.perSecond),
			P50:       spreadOf(samples[i], func(l load) float64 { return float64(l.P50) }),
			P99:       spreadOf(samples[i], func(l load) float64 { return float64(l.P99) }),
			P999:      spreadOf(samples[i], func(l load) float64 { return float64(l.P999) }),
			Longest:   spreadOf(samples[i], func(l load) float64 { return float64(l.Max) }),
		}
	}
	return rows
}

// newRatios leaves out comparisons with a scenario that did not run.
func newRatios(comparisons []comparison, scenarios []scenario, samples [][]sample) []ratio {
	var ratios []ratio
	for _, c := range comparisons {
		of, by := indexOf(scenarios, c.of), indexOf(scenarios, c.by)
		if of < 0 || by < 0 {
			continue
		}
		divisor := added(scenarios, samples, by)
		r := ratio{Of: c.of, By: c.by, Noise: slices.Min(divisor) <= 0}
		if !r.Noise {
			r.spread = newSpread(divide(added(scenarios, samples, of), divisor))
		}
		ratios = append(ratios, r)
	}
	return ratios
}

// added is a scenario's CPU time, round by round, above that of the same request without filters.
func added(scenarios []scenario, samples [][]sample, i int) []float64 {
	return minus(cpus(samples[i]), cpus(samples[indexOf(scenarios, scenarios[i].base())]))
}

func indexOf(scenarios []scenario, name string) int {
	return slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
}

func cpus(samples []sample) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = s.cpu
	}
	return out
}

func spreadOf(samples []sample, value func(load) float64) spread {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s.load)
	}
	return newSpread(values)
}

// String is the report as Markdown.
func (r *report) String() string {
	var b strings.Builder
	if len(r.Scenarios) > 0 {
		r.writeScenarios(&b)
	}
	if len(r.Startup) > 0 {
		r.writeStartup(&b)
	}
	if len(r.Updates) > 0 {
		r.writeUpdates(&b)
	}
	if len(r.Scaling) > 0 {
		r.writeScaling(&b)
	}
	if len(r.Instructions) > 0 {
		r.writeInstructions(&b)
	}
	return b.String()
}

func (r *report) writeScenarios(b *strings.Builder) {
	r.write(b, "Envoy and wrk each on a CPU of their own", "Envoy and wrk")
	fmt.Fprintln(b, "| scenario | CPU us/request | added us | requests/s | p50 us | p99 us | p99.9 us | longest ms | RSS MB |")
	fmt.Fprintln(b, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, s := range r.Scenarios {
		added := s.Added.format()
		if s.Name == s.Base {
			added = ""
		}
		fmt.Fprintf(b, "| %s | %s | %s | %.0f | %.0f | %.0f | %.0f | %.1f | %d |\n", s.Name, s.CPU.format(), added,
			s.PerSecond.Median, s.P50.Median, s.P99.Median, s.P999.Median, s.Longest.Max/1000, s.RSS)
	}
	if len(r.Ratios) == 0 {
		return
	}
	fmt.Fprintln(b, "\n| added CPU of | divided by that of | ratio |")
	fmt.Fprintln(b, "| --- | --- | ---: |")
	for _, q := range r.Ratios {
		value := fmt.Sprintf("%.3g (%.3g to %.3g)", q.Median, q.Min, q.Max)
		if q.Noise {
			value = "too noisy"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", q.Of, q.By, value)
	}
}

func (r *report) writeStartup(b *strings.Builder) {
	fmt.Fprintln(b, "\n| start | ms until the first answer | more than none | CPU ms | RSS MB | peak MB | a second worker MB |")
	fmt.Fprintln(b, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, s := range r.Startup {
		if s.Error != "" {
			fmt.Fprintf(b, "| %s | %s | | | | | |\n", s.Name, strings.ReplaceAll(s.Error, "|", "/"))
			continue
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %d | %d | %d |\n", s.Name,
			s.Seconds.times(1000).formatWhole(), s.Added.times(1000).formatWhole(), s.CPU.times(1000).formatWhole(), s.RSS, s.Peak, s.Second)
	}
}

func (r *report) writeInstructions(b *strings.Builder) {
	fmt.Fprintf(b, "%s, Envoy %s, one worker, under callgrind. Thousands of instructions of the whole Envoy, mean of %d requests.\n\n",
		r.Date, r.Envoy, instructionsCounted)
	fmt.Fprintln(b, "| scenario | k instructions/request | added |")
	fmt.Fprintln(b, "| --- | ---: | ---: |")
	for _, s := range r.Instructions {
		added := fmt.Sprintf("%.1f", s.Added/1000)
		if s.Name == s.Base {
			added = ""
		}
		fmt.Fprintf(b, "| %s | %.1f | %s |\n", s.Name, s.PerRequest/1000, added)
	}
	if len(r.InstructionRatios) == 0 {
		return
	}
	fmt.Fprintln(b, "\n| added instructions of | divided by those of | ratio |")
	fmt.Fprintln(b, "| --- | --- | ---: |")
	for _, q := range r.InstructionRatios {
		fmt.Fprintf(b, "| %s | %s | %.3g |\n", q.Of, q.By, q.Ratio)
	}
}

func (s spread) formatFine() string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", s.Median, s.Min, s.Max)
}

func (s spread) formatWhole() string {
	return fmt.Sprintf("%.0f (%.0f to %.0f)", s.Median, s.Min, s.Max)
}

func (s spread) format() string { return fmt.Sprintf("%.1f (%.1f to %.1f)", s.Median, s.Min, s.Max) }
