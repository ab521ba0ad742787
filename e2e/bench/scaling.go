package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// scaledScenario is what a second worker brings, when all requests need the same bucket.
//
// Two workers and the load share two CPUs, so throughput says too little. CPU per request says what one worker costs the
// other: twice the one worker's throughput, divided by the ratio, is what two would do with a CPU each and the load from
// elsewhere. It does not show time spent waiting for a lock, which is no CPU time.
type scaledScenario struct {
	Name string `json:"name"`
	// CPU per request in microseconds, and requests per second, with one worker and with two.
	CPU       [2]spread `json:"cpu"`
	PerSecond [2]spread `json:"requestsPerSecond"`
	// CPURatio is that of two workers divided by that of one in the same round, Gain the same of requests per second.
	CPURatio spread `json:"cpuRatio"`
	Gain     spread `json:"gain"`
	// LostSwaps is how often a worker had to charge a bucket again because the other one was faster, per request.
	LostSwaps [2]float64 `json:"lostSwapsPerRequest"`
}

// free is the throughput of two workers with free CPUs, divided by that of one.
func (s scaledScenario) free() float64 { return 2 / s.CPURatio.Median }

// scaled are scenarios of which every request needs what all others need; the first is the control.
func scaled() []scenario {
	var scenarios []scenario
	for _, s := range limitScenarios() {
		switch s.name {
		case baselineClaims, "local_ratelimit", "ratelimit-claim":
			scenarios = append(scenarios, s)
		}
	}
	return scenarios
}

// chosenScaled has no control without what it is for.
func chosenScaled(wanted *regexp.Regexp) []scenario {
	if scenarios := chosen(scaled(), wanted); len(scenarios) > 1 {
		return scenarios
	}
	return nil
}

// runScaling takes turns as bench.measure does: in each round every scenario has one with one worker and one with two.
func runScaling(ctx context.Context, scenarios []scenario) ([]scaledScenario, error) {
	if len(scenarios) == 0 {
		return nil, nil
	}
	var envoys [2]*bench
	for i := range envoys {
		dir := filepath.Join(*dir, fmt.Sprintf("workers-%d", i+1))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		b := newBench(dir, scenarios)
		b.script, b.workers = filepath.Join(filepath.Dir(dir), scriptFile), i+1
		defer b.stop()
		if err := b.start(ctx); err != nil {
			return nil, err
		}
		envoys[i] = b
	}
	var samples [2][][]sample // by workers, scenario and round
	for i := range samples {
		samples[i] = make([][]sample, len(scenarios))
	}
	for round := range *rounds + 1 {
		progress("one worker and two, round %d of %d, us/request:", round, *rounds)
		for i, s := range scenarios {
			for j, b := range envoys {
				one, err := b.sample(ctx, i, time.Duration(*turn)*time.Second)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				progress(" %s %.1f", s.name, one.cpu)
				if round > 0 { // the first warms up
					samples[j][i] = append(samples[j][i], one)
				}
			}
		}
		progress("\n")
	}
	results := newScaled(scenarios, samples)
	for j, b := range envoys {
		for i, p := range b.proxies {
			var err error
			if results[i].LostSwaps[j], err = p.lostSwaps(ctx); err != nil {
				return nil, err
			}
		}
	}
	return results, nil
}

func newScaled(scenarios []scenario, samples [2][][]sample) []scaledScenario {
	results := make([]scaledScenario, len(scenarios))
	for i, s := range scenarios {
		r := scaledScenario{Name: s.name}
		var cpu, perSecond [2][]float64
		for j := range samples {
			cpu[j] = cpus(samples[j][i])
			for _, one := range samples[j][i] {
				perSecond[j] = append(perSecond[j], one.perSecond())
			}
			r.CPU[j], r.PerSecond[j] = newSpread(cpu[j]), newSpread(perSecond[j])
		}
		r.CPURatio, r.Gain = newSpread(divide(cpu[1], cpu[0])), newSpread(divide(perSecond[1], perSecond[0]))
		results[i] = r
	}
	return results
}

// lostSwaps is how many of Envoy's requests so far lost one.
func (p *proxy) lostSwaps(ctx context.Context) (float64, error) {
	const total, lost = "http." + listenerName + ".downstream_rq_total", "wasmcustom.palisade.ratelimit_lost_swaps"
	text, err := p.adminGet(ctx, "/stats?filter=^("+total+"|"+lost+")$")
	if err != nil {
		return 0, err
	}
	requests, err := stat(string(text), total)
	if err != nil || !strings.Contains(string(text), lost) { // which is counted when there is one
		return 0, err
	}
	n, err := stat(string(text), lost)
	return float64(n) / float64(requests), err
}

func (r *report) writeScaling(b *strings.Builder) {
	fmt.Fprintf(b, "\nOne worker and two, which share %d CPUs with wrk; %.1f %% of the time stolen by the hypervisor.\n\n", r.CPUs, r.ScalingStolen)
	fmt.Fprintln(b, "| scenario | CPU us/request, one worker | two | ratio | scaling with free CPUs | requests/s, one | two | gain "+
		"| lost swaps per 1000 requests, one | two |")
	fmt.Fprintln(b, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, s := range r.Scaling {
		fmt.Fprintf(b, "| %s | %s | %s | %.2f (%.2f to %.2f) | %.2f | %.0f | %.0f | %.2f (%.2f to %.2f) | %.2f | %.2f |\n",
			s.Name, s.CPU[0].format(), s.CPU[1].format(), s.CPURatio.Median, s.CPURatio.Min, s.CPURatio.Max, s.free(),
			s.PerSecond[0].Median, s.PerSecond[1].Median, s.Gain.Median, s.Gain.Min, s.Gain.Max,
			1000*s.LostSwaps[0], 1000*s.LostSwaps[1])
	}
}
