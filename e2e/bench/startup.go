package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/palisade-mesh/palisade/e2e/bench/openloop"
)

const (
	startupTries = 5
	// startupEnough is after how long a scenario has no further try, startupLimit how long one may take.
	startupEnough = 5 * time.Second
	startupLimit  = 30 * time.Second
)

var errTooLong = fmt.Errorf("not ready after %v", startupLimit)

// startup is how long Envoy takes until the first request is answered, and what memory that takes.
type startup struct {
	Name    string `json:"name"`
	Seconds spread `json:"seconds"`
	Added   spread `json:"added"`  // above the first scenario's of the same round
	CPU     spread `json:"cpu"`    // seconds that all of Envoy's threads used until then
	RSS     int    `json:"rssMB"`  // of the last try
	Peak    int    `json:"peakMB"` // of the last try
	// Second is by how much the memory is more with a second worker.
	Second int `json:"secondWorkerMB"`
	// Error is why there are no figures.
	Error string `json:"error,omitempty"`
	// Rounds are the seconds of each try, CPURounds those of Envoy's threads.
	Rounds    []float64 `json:"secondsByRound"`
	CPURounds []float64 `json:"cpuByRound"`
}

// started is what was seen of one start.
type started struct {
	took, cpu time.Duration
	rss, peak int
}

// measureStartups starts each scenario's Envoy several times, on all CPUs, in rounds as bench.measure does. An Envoy that does not
// start is a result.
func measureStartups(ctx context.Context, dir string, scenarios []scenario) ([]startup, error) {
	results := make([]startup, len(scenarios))
	configs := make([]string, len(scenarios))
	for i, s := range scenarios {
		results[i].Name = s.name
		var err error
		if configs[i], err = bootstrap(s.chain()); err != nil {
			return nil, err
		}
	}
	spent := make([]time.Duration, len(scenarios))
	for try := range startupTries {
		progress("starts, round %d of %d, s:", try+1, startupTries)
		for i, s := range scenarios {
			r := &results[i]
			if r.Error != "" || spent[i] > startupEnough {
				continue
			}
			progress(" %s", s.name)
			one, err := startOnce(ctx, dir, s, configs[i], 1)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				r.Error = err.Error()
				progress(" %s", r.Error)
				continue
			}
			progress(" %.2f", one.took.Seconds())
			spent[i] += one.took
			r.Rounds, r.CPURounds = append(r.Rounds, one.took.Seconds()), append(r.CPURounds, one.cpu.Seconds())
			r.RSS, r.Peak = one.rss, one.peak
		}
		progress("\n")
	}
	return results, addStarts(ctx, dir, scenarios, configs, results)
}

// addStarts fills in what the rounds come to, and what a second worker takes.
func addStarts(ctx context.Context, dir string, scenarios []scenario, configs []string, results []startup) error {
	progress("memory of a second worker, MB:")
	for i := range results {
		r := &results[i]
		if r.Error != "" {
			continue
		}
		r.summarize(results[0].Rounds)
		two, err := startOnce(ctx, dir, scenarios[i], configs[i], 2)
		if err != nil {
			return fmt.Errorf("%s with two workers: %w", r.Name, err)
		}
		r.Second = two.rss - r.RSS
		progress(" %s %d", r.Name, r.Second)
	}
	progress("\n")
	return nil
}

// summarize compares with the rounds of the first scenario, which has had at least as many. There are none if it does not start.
func (r *startup) summarize(first []float64) {
	r.Seconds, r.CPU = newSpread(r.Rounds), newSpread(r.CPURounds)
	if n := min(len(r.Rounds), len(first)); n > 0 {
		r.Added = newSpread(minus(r.Rounds[:n], first[:n]))
	}
}

func startOnce(ctx context.Context, dir string, s scenario, config string, workers int) (started, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startupLimit, errTooLong)
	defer cancel()
	begin := time.Now()
	p, err := startProxy(ctx, filepath.Join(dir, "start"), s.name, config, workers)
	if err != nil {
		return started{}, err
	}
	defer p.stop()
	// The worker has a VM of its own, which reads the configuration after Envoy says that it is ready.
	if err := p.ask(ctx, s.request, s.status); err != nil {
		if errors.Is(context.Cause(ctx), errTooLong) {
			err = errTooLong
		}
		return started{}, err
	}
	one := started{took: time.Since(begin)}
	if one.cpu, _, err = p.cpu(); err != nil {
		return started{}, err
	}
	if err := p.awaitWorkers(ctx, s, workers); err != nil {
		return started{}, err
	}
	if one.rss, err = p.memory("VmRSS"); err != nil {
		return started{}, err
	}
	one.peak, err = p.memory("VmHWM")
	return one, err
}

// awaitWorkers has each worker answer: Envoy spreads connections evenly.
func (p *proxy) awaitWorkers(ctx context.Context, s scenario, workers int) error {
	wire, err := s.request.wire(ctx)
	if err != nil {
		return err
	}
	result, err := openloop.Load{
		Address: p.address, Request: wire, Status: s.status, Rate: 100 * workers, Connections: workers, Duration: time.Second / 10,
	}.Run(ctx)
	if err == nil && result.Failed+result.Unanswered > 0 {
		err = fmt.Errorf("%d answers of %d are wrong or missing: %s", result.Failed+result.Unanswered, len(result.Latencies), result.Why)
	}
	return err
}
